"""Bitbucket Cloud for Airflow: the hook, its client and the connection type ``bitbucket``.

Knows Bitbucket and Airflow, nothing of what the data is used for.
"""

__version__ = "0.1.0"
