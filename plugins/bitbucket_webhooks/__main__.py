"""``python -m bitbucket_webhooks``: the receiver as a process of its own.

Reads ``AIRFLOW_CONN_COMPLIANCE_POSTGRES`` (URI or JSON), ``COMPLIANCE_WEBHOOK_KEY``, ``COMPLIANCE_RECEIVER_HOST``
(127.0.0.1) and ``COMPLIANCE_RECEIVER_PORT`` (8085), and needs nothing else of Airflow.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys

import uvicorn

from bitbucket_cloud.auth.encryption import WebhookEncryption
from bitbucket_cloud.configuration import Configuration
from bitbucket_cloud.errors import ConfigurationError
from bitbucket_webhooks.address import conninfo_of
from bitbucket_webhooks.app import PATH, create_app
from bitbucket_webhooks.connections import HEAD_SECONDS, LARGEST_HEAD, DeliveryProtocol
from bitbucket_webhooks.database import Database

POSTGRES_CONNECTION = "AIRFLOW_CONN_COMPLIANCE_POSTGRES"
CONFIGURATION = Configuration(webhook_key_variable="COMPLIANCE_WEBHOOK_KEY")
HOST_VARIABLE = "COMPLIANCE_RECEIVER_HOST"
PORT_VARIABLE = "COMPLIANCE_RECEIVER_PORT"
DEFAULT_PORT = 8085


def main() -> int:
    """Serve until a signal comes; requests under way are finished."""
    argparse.ArgumentParser(prog="python -m bitbucket_webhooks", description=__doc__).parse_args()
    try:
        host, port = os.environ.get(HOST_VARIABLE) or "127.0.0.1", _port()
        encryption = WebhookEncryption.from_environment(CONFIGURATION)
        address = conninfo_of(os.environ.get(POSTGRES_CONNECTION, ""), POSTGRES_CONNECTION)
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1

    async def conninfo() -> str:
        return address

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.info("receiving at http://%s:%d%s", host, port, PATH)
    uvicorn.run(
        create_app(Database(conninfo, lambda: encryption)),
        host=host,
        port=port,
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        http=DeliveryProtocol,
        ws="none",
        h11_max_incomplete_event_size=LARGEST_HEAD,
        timeout_keep_alive=HEAD_SECONDS,
        timeout_graceful_shutdown=15,
    )
    return 0


def _port() -> int:
    given = os.environ.get(PORT_VARIABLE) or str(DEFAULT_PORT)
    if not given.isascii() or not given.isdigit() or not 0 < int(given) < 65536:
        raise ConfigurationError(f"the environment variable {PORT_VARIABLE} must be a port number, not {given!r:.20}")
    return int(given)


if __name__ == "__main__":
    sys.exit(main())
