"""Where a worker may be sent by an Airflow connection that can be edited in Airflow.

A connection of the environment (``AIRFLOW_CONN_<ID>``) is configuration: it leads where it says. One that is stored in
Airflow's database can be changed by whoever may edit connections, and with it where a worker sends a password or looks
around in the network: it may lead to the hosts of ``COMPLIANCE_ALLOWED_HOSTS`` alone.
"""

from __future__ import annotations

import os
from typing import Final
from urllib.parse import urlsplit

from bitbucket_compliance.core.errors import PipelineError

ALLOWED_HOSTS: Final = "COMPLIANCE_ALLOWED_HOSTS"
DEFAULT: Final = "hooks.slack.com"
_PORTS: Final = {"http": 80, "https": 443}


class DestinationRefused(PipelineError):
    """A connection that can be edited in Airflow leads to a host that the configuration doesn't allow."""


def is_from_environment(conn_id: str) -> bool:
    """Whether Airflow takes this connection from the environment."""
    return bool(os.environ.get(f"AIRFLOW_CONN_{conn_id.upper()}"))


def check_destination(conn_id: str, url_or_host: str, *, from_environment: bool) -> None:
    """Refuse a destination that the configuration doesn't allow, before anything is sent there.

    Args:
        conn_id: id of the Airflow connection that leads there.
        url_or_host: a URL, ``host`` or ``host:port``; of a redirect, its target.
        from_environment: the connection comes from the environment; see ``is_from_environment``.

    Raises:
        DestinationRefused: the host, or this port of it, is not in ``COMPLIANCE_ALLOWED_HOSTS``.
    """
    if from_environment:
        return
    wanted = _host_and_port(url_or_host)
    if wanted is None:
        raise DestinationRefused(
            f"Airflow connection {conn_id}: its host can't be read as a host name; a connection that is stored in "
            f"Airflow needs one, which {ALLOWED_HOSTS} lists"
        )
    host, port = wanted
    if not any(host == listed and of_host in (None, port) for listed, of_host in _allowed()):
        shown = f"{host}:{port}" if port else host
        raise DestinationRefused(
            f"Airflow connection {conn_id}: leads to {shown}, which is not in {ALLOWED_HOSTS}; have the operator of "
            f"the deployment add it there, or set the connection as AIRFLOW_CONN_{conn_id.upper()} in the environment"
        )


def _allowed() -> list[tuple[str, int | None]]:
    """Host and port of each entry; without a port, every port of the host is allowed."""
    listed = os.environ.get(ALLOWED_HOSTS, DEFAULT).split(",")
    return [entry for text in listed if (entry := _host_and_port(text.strip()))]


def _host_and_port(text: str) -> tuple[str, int | None] | None:
    """None where there is no host, a user stands before it, or other readers could take another host for it."""
    if not text.isascii() or not text.isprintable() or set(text) & set("\\@ ,"):
        return None
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.hostname.rstrip("."), port) if parts.hostname else None
