"""SCIM 2.0 directories for Airflow: the hook and the connection type ``scim``.

Reads the users of a directory (RFC 7643, RFC 7644); knows nothing of what they are used for.
"""

__version__ = "0.1.0"
