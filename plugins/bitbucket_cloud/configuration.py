"""What an installation decides for all its Bitbucket connections, and who may edit one can't change.

Where things are kept, where secrets may be sent, how long a listing may be, and what messages advise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

DEFAULT_HOST = "https://api.bitbucket.org"
DEFAULT_OAUTH_URL = "https://bitbucket.org"
ENTRY_POINT_GROUP = "bitbucket_cloud.configuration"


@dataclass(frozen=True)
class Configuration:
    """The project that uses this package hands over its own; the defaults suit one without a database.

    Attributes:
        database_conn_id: Airflow connection of type postgres for tokens, webhooks and the count of requests; None
            keeps tokens and the count within the process.
        connect: opens that database; None: Airflow's hook for Postgres does, with whatever options the connection has.
        schema: where the tables are in that database.
        role: Postgres role that every session there steps into; None: the login acts as itself.
        vault_role: Postgres role that may touch tokens and webhook secrets; None: the login itself may.
        key_variable: environment variable with the Fernet keys that encrypt tokens, the newest first, with commas.
        webhook_key_variable: the same for webhook secrets; other keys, so that a receiver of webhooks opens no token.
        allowed_origins: addresses (scheme, host, port) that keys, secrets and tokens may be sent to. A connection that
            comes from the environment is configuration itself, and may name others.
        most_pages: pages that a listing may have; the default is half of what an hour allows, 50,000 repositories.
        webhook_label: how this installation's webhooks are called at Bitbucket, in front of the connection id.
        webhook_url_setting, origins_setting: what messages call the setting that holds the address for deliveries,
            and ``allowed_origins``.
        to_connect, to_rotate, to_reactivate, to_repair, to_allow_more_pages: what messages tell people to do where a
            connection needs a person's consent, a webhook secret can't be used, a webhook was switched off, the
            database fails, a listing has too many pages.
    """

    database_conn_id: str | None = None
    connect: Callable[[], psycopg.Connection[Any]] | None = None
    schema: str = "integration"
    role: str | None = None
    vault_role: str | None = None
    key_variable: str = "BITBUCKET_VAULT_KEY"
    webhook_key_variable: str = "BITBUCKET_WEBHOOK_KEY"
    allowed_origins: tuple[str, ...] = (DEFAULT_HOST, DEFAULT_OAUTH_URL)
    most_pages: int = 500
    webhook_label: str = "Airflow"
    webhook_url_setting: str = "the webhook address"
    origins_setting: str = "the allowed origins"
    to_connect: str = "a person has to connect it"
    to_rotate: str = "rotate it"
    to_reactivate: str = "switch it on there"
    to_repair: str = "check the server and that the tables were created"
    to_allow_more_pages: str = "if it is meant to be that long, allow more pages"


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
