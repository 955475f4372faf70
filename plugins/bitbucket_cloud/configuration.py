"""What an installation decides for all its Bitbucket connections: where things are kept, and what messages advise."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import entry_points

ENTRY_POINT_GROUP = "bitbucket_cloud.configuration"


@dataclass(frozen=True)
class Configuration:
    """The project that uses this package hands over its own; the defaults suit one without a database.

    Attributes:
        database_conn_id: Airflow connection of type postgres for tokens, webhooks and the count of requests; None
            keeps tokens and the count within the process.
        schema: where the tables are in that database.
        vault_role: Postgres role that may touch tokens and webhook secrets; None: the login itself may.
        key_variable: environment variable with the Fernet keys that encrypt tokens, the newest first, with commas.
        webhook_key_variable: the same for webhook secrets; other keys, so that a receiver of webhooks opens no token.
        webhook_label: how this installation's webhooks are called at Bitbucket, in front of the connection id.
        webhook_url_setting: what messages call the setting that holds the address for deliveries.
        to_connect, to_rotate, to_reactivate, to_repair: what messages tell people to do where a connection
            needs a person's consent, a webhook secret can't be used, a webhook was switched off, the database fails.
    """

    database_conn_id: str | None = None
    schema: str = "integration"
    vault_role: str | None = None
    key_variable: str = "BITBUCKET_VAULT_KEY"
    webhook_key_variable: str = "BITBUCKET_WEBHOOK_KEY"
    webhook_label: str = "Airflow"
    webhook_url_setting: str = "the webhook address"
    to_connect: str = "a person has to connect it"
    to_rotate: str = "rotate it"
    to_reactivate: str = "switch it on there"
    to_repair: str = "check the server and that the tables were created"


DEFAULTS = Configuration()


def installed() -> Configuration:
    """The configuration for hooks that Airflow makes by itself, as its page for connections does.

    It is named by an entry point of the group ``bitbucket_cloud.configuration``; the defaults where there is none.
    """
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        found = entry_point.load()
        if isinstance(found, Configuration):
            return found
    return DEFAULTS
