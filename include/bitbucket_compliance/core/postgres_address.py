"""Where the data's Postgres is: what the Airflow connection ``compliance_postgres`` says.

From the environment it is configuration: it leads where it says, with every option of libpq, and is read without
Airflow. One that Airflow stores can be edited there: it leads to the hosts of ``COMPLIANCE_ALLOWED_HOSTS``, with
options that send the password nowhere else, read no file of the worker but a certificate, and leave the session alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from bitbucket_compliance.core.allowed_hosts import DestinationRefused, check_destination, is_from_environment
from bitbucket_compliance.core.errors import PipelineError

POSTGRES_CONNECTION: Final = "AIRFLOW_CONN_COMPLIANCE_POSTGRES"
#: the login that migrates, where that is not the one that runs
OWNER_CONNECTION: Final = f"{POSTGRES_CONNECTION}_OWNER"
#: options of libpq that a connection which Airflow stores may have
_HARMLESS: Final = frozenset(
    {
        "application_name",
        "client_encoding",
        "connect_timeout",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "sslmode",
        "sslrootcert",
        "tcp_user_timeout",
    }
)
#: what a connection has fields for
_FIELDS: Final = frozenset({"host", "port", "user", "password", "dbname"})


class ConnectionUnreadable(PipelineError):
    """A connection is not set in the environment, or is neither a URI nor JSON as Airflow writes them."""


@dataclass(frozen=True)
class PostgresAddress:
    """What an Airflow connection of type postgres says."""

    host: str
    port: int
    user: str
    password: str
    database: str
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> PostgresAddress:
        """The address in ``AIRFLOW_CONN_COMPLIANCE_POSTGRES``.

        Raises:
            ConnectionUnreadable: the variable is not set or can't be read.
        """
        value = environment.get(POSTGRES_CONNECTION)
        if not value:
            raise ConnectionUnreadable(
                f"{POSTGRES_CONNECTION} is not set: it names the Postgres of the results, as "
                "postgresql://user:password@host:port/database"
            )
        return cls.from_airflow(value)

    @classmethod
    def of_owner(cls, environment: Mapping[str, str] = os.environ) -> PostgresAddress:
        """The address with the login that migrates: ``AIRFLOW_CONN_COMPLIANCE_POSTGRES_OWNER``, else the one that runs.

        Raises:
            ConnectionUnreadable: neither variable is set, or it can't be read.
        """
        value = environment.get(OWNER_CONNECTION)
        return cls.from_airflow(value, OWNER_CONNECTION) if value else cls.from_environment(environment)

    @classmethod
    def of_connection(cls, conn_id: str) -> PostgresAddress:
        """The address in a connection that Airflow has, from the environment or stored.

        Raises:
            DestinationRefused: a stored one leads to another host, or has an option that only configuration may have.
            AirflowNotFoundException: there is no such connection.
        """
        from airflow.sdk import BaseHook

        connection = BaseHook.get_connection(conn_id)
        extra = connection.extra_dejson
        address = cls(
            host=connection.host or "localhost",
            port=connection.port or 5432,
            user=connection.login or "",
            password=connection.password or "",
            database=connection.schema or "",
            options=_libpq_options(extra),
        )
        if not is_from_environment(conn_id):
            host = f"[{address.host}]" if ":" in address.host else address.host
            check_destination(conn_id, f"{host}:{address.port}", from_environment=False)
            # Those of the fields too, which would take their place.
            unfit = sorted((_keywords() & set(extra)) - _HARMLESS)
            if unfit:
                raise DestinationRefused(
                    f"Airflow connection {conn_id}: extra {', '.join(unfit)} is not allowed in a connection stored in "
                    "Airflow; remove it, or have whoever sets the environment of Airflow set the connection as "
                    f"AIRFLOW_CONN_{conn_id.upper()}"
                )
        return address

    @classmethod
    def from_airflow(cls, value: str, variable: str = POSTGRES_CONNECTION) -> PostgresAddress:
        """Read the value of an ``AIRFLOW_CONN_`` variable: a URI, or a JSON object.

        Raises:
            ConnectionUnreadable: it is neither; the message names the variable and none of its values.
        """
        try:
            is_json = value.lstrip().startswith("{")
            return cls._from_json(json.loads(value)) if is_json else cls._from_uri(value)
        except (ValueError, TypeError, AttributeError) as error:
            raise ConnectionUnreadable(
                f"{variable} can't be read: write postgresql://user:password@host:port/database "
                "with special characters percent-encoded, or JSON with conn_type, host, port, login, "
                "password and schema"
            ) from error

    @classmethod
    def _from_uri(cls, value: str) -> PostgresAddress:
        parts = urlsplit(value)
        if parts.scheme not in ("postgres", "postgresql"):
            raise ValueError("not a Postgres address")
        return cls(
            host=unquote(parts.hostname or "localhost"),
            port=parts.port or 5432,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            database=unquote(parts.path.lstrip("/")),
            options=_libpq_options(dict(parse_qsl(parts.query))),
        )

    @classmethod
    def _from_json(cls, value: dict[str, Any]) -> PostgresAddress:
        extra = value.get("extra") or {}
        return cls(
            host=value.get("host") or "localhost",
            port=int(value.get("port") or 5432),
            user=value.get("login") or "",
            password=value.get("password") or "",
            database=value.get("schema") or "",
            options=_libpq_options(json.loads(extra) if isinstance(extra, str) else extra),
        )

    @property
    def dsn(self) -> str:
        """``postgresql://…``, password included: for a driver, never for a log."""
        login = f"{quote(self.user, '')}:{quote(self.password, '')}@" if self.user else ""
        host = quote(self.host, safe="[]:") if ":" not in self.host else f"[{self.host}]"
        query = f"?{urlencode(self.options, quote_via=quote)}" if self.options else ""
        return f"postgresql://{login}{host}:{self.port}/{quote(self.database, '')}{query}"


def _libpq_options(extra: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What of a connection's extras is meant for libpq; the others are meant for Airflow alone."""
    return tuple((name, str(extra[name])) for name in sorted(_keywords() - _FIELDS) if name in extra)


@cache
def _keywords() -> frozenset[str]:
    """All that libpq takes."""
    from psycopg import pq

    return frozenset(option.keyword.decode() for option in pq.Conninfo.get_defaults())
