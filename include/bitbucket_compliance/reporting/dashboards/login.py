"""The database login that the dashboard reads with: it may read what is published, and nothing else."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

LOGIN: Final = "compliance_dashboard"
ROLE: Final = "compliance_reader"


def ensure_login(dsn: str, password: str) -> str:
    """Create the login, or bring its password up to date; returns its address of the database at ``dsn``.

    ``dsn`` is a ``postgresql://`` URL of a login that made the roles of the schema, as the one that migrates does.

    Raises:
        psycopg.errors.InsufficientPrivilege: that login may make no others; have an administrator make one.
    """
    from bitbucket_compliance.core.roles import ensure_login as ensure

    ensure(dsn, LOGIN, ROLE, password, reads_only=True)
    return with_login(dsn, password)


def with_login(dsn: str, password: str) -> str:
    """The same database, host and options, with the dashboard's login."""
    parts = urlsplit(dsn)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{LOGIN}:{quote(password, '')}@{host}"))


def main() -> int:
    """Make the login in the database of the connection compliance_postgres, by the login that migrates.

    Its password is taken from ``COMPLIANCE_DASHBOARD_PASSWORD``.
    """
    from bitbucket_compliance.core.postgres_address import PostgresAddress

    argparse.ArgumentParser(description=main.__doc__).parse_args()
    password = os.environ.get("COMPLIANCE_DASHBOARD_PASSWORD", "")
    if not password:
        print("error: COMPLIANCE_DASHBOARD_PASSWORD is empty: set it in .env", file=sys.stderr)
        return 1
    ensure_login(PostgresAddress.of_owner().dsn, password)
    print(f"the login {LOGIN} reads what is published")
    return 0


if __name__ == "__main__":
    sys.exit(main())
