"""What this project tells the package ``bitbucket_cloud``: where its tables are, where secrets go, what to advise.

And which connections to Bitbucket there are: each reads the workspaces that it names, with requests of its own.
"""

import os
from collections.abc import Mapping
from typing import Final

from bitbucket_cloud.configuration import DEFAULTS, Configuration
from bitbucket_compliance.core.database import CONNECTION_ID, PIPELINE_ROLE, log_in

ORIGINS: Final = "COMPLIANCE_BITBUCKET_ORIGINS"
MOST_PAGES: Final = "COMPLIANCE_MOST_PAGES"
#: ids of the Airflow connections to Bitbucket, separated by commas
CONNECTIONS: Final = "COMPLIANCE_BITBUCKET_CONNECTIONS"
DEFAULT_CONNECTION: Final = "bitbucket_default"


def configuration(environment: Mapping[str, str] = os.environ) -> Configuration:
    """The configuration of this deployment. What can't be read leaves the default, which allows less."""
    origins = tuple(origin for part in environment.get(ORIGINS, "").split(",") if (origin := part.strip()))
    most_pages = environment.get(MOST_PAGES, "").strip()
    return Configuration(
        database_conn_id=CONNECTION_ID,
        connect=log_in,
        schema="integration",
        role=PIPELINE_ROLE,
        vault_role="compliance_vault",
        key_variable="COMPLIANCE_VAULT_KEY",
        webhook_key_variable="COMPLIANCE_WEBHOOK_KEY",
        allowed_origins=origins or DEFAULTS.allowed_origins,
        most_pages=int(most_pages) if most_pages.isdecimal() and int(most_pages) else DEFAULTS.most_pages,
        webhook_label="Compliance pipeline",
        webhook_url_setting="COMPLIANCE_WEBHOOK_URL",
        origins_setting=ORIGINS,
        to_connect="a person has to connect it: Connect in the console, or `make connect`",
        to_rotate="rotate it: make webhooks ACTION=rotate",
        to_reactivate="switch it on with Register or repair in the console, or `make webhooks REACTIVATE=1`",
        to_repair="check the server and that the migrations were run",
        to_allow_more_pages=f"if it is meant to be that long, raise {MOST_PAGES}",
    )


def connection_ids(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The Airflow connections to Bitbucket, each once; the first one also reads a workspace that none of them names."""
    named = [name for part in environment.get(CONNECTIONS, "").split(",") if (name := part.strip())]
    return tuple(dict.fromkeys(named)) or (DEFAULT_CONNECTION,)


CONFIGURATION: Final = configuration()
