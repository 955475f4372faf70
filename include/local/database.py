"""`psql` and `clean`: look into the embedded database, and remove it with everything else that was kept."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Final

from bitbucket_compliance.commands.command_line import Flag, command, one_of
from bitbucket_compliance.core.postgres_address import PostgresAddress
from local import dashboard, web
from local import environment as env
from local.services import embedded_postgres

ROLES: Final = ("reader", "people_reader", "pipeline", "console", "owner")


@command(
    "psql",
    "open the embedded database, or run one statement",
    Flag("sql", "SELECT …", "a statement; psql asks for them if left out"),
    Flag("role", "|".join(ROLES), "do it with the rights of this role; reader reads alone", one_of(*ROLES), None),
)
def psql(sql: str, role: str | None) -> int:
    """The wheel's psql on the embedded database; with `sql`, one statement."""
    with embedded_postgres() as postgres:
        address = PostgresAddress.from_airflow(postgres.uri())
        # The password travels in the environment: a process list shows the arguments of every program.
        login = {
            "PGHOST": address.host,
            "PGPORT": str(address.port),
            "PGUSER": address.user,
            "PGPASSWORD": address.password,
            "PGDATABASE": address.database,
        }
        if role:
            login["PGOPTIONS"] = _options_for(address.dsn, f"compliance_{role}")
        command = [str(postgres.psql), "--set=ON_ERROR_STOP=1", *(["--command", sql] if sql else [])]
        return subprocess.run(command, env=os.environ | login, check=False).returncode


def _options_for(dsn: str, role: str) -> str:
    """Options of a session with the rights of the role, and no others; the login may take the role then."""
    import psycopg
    from psycopg import sql

    from bitbucket_compliance.security_tests.upgrade import upgrade

    upgrade(dsn)
    with psycopg.connect(dsn) as connection:
        if connection.execute("SELECT pg_has_role(%s, 'SET')", [role]).fetchone() == (False,):
            # It made the role, so it may.
            grant = sql.SQL("GRANT {} TO CURRENT_USER WITH INHERIT FALSE, SET TRUE")
            connection.execute(grant.format(sql.Identifier(role)))
    return f"-c role={role}" + (" -c default_transaction_read_only=on" if role.endswith("reader") else "")


@command("clean", "stop everything and remove data, logs and caches (.venv and .venv-superset stay)")
def clean() -> None:
    """Stop everything and remove `.local`."""
    dashboard.SUPERSET.stop()
    web.AIRFLOW.stop()
    embedded_postgres().delete()
    shutil.rmtree(env.LOCAL, ignore_errors=True)
