"""Notifiers for Airflow: one message to Slack, to an SMTP server or to a webhook, by the type of the connection.

Knows Airflow and the media, nothing of what the messages are about.
"""

__version__ = "0.1.0"
