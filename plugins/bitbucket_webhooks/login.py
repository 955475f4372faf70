"""The database login of a receiver that stands alone: it may take deliveries in, and nothing else."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Final

LOGIN: Final = "compliance_webhooks"
ROLE: Final = "compliance_receiver"
PASSWORD_VARIABLE: Final = "COMPLIANCE_RECEIVER_PASSWORD"  # noqa: S105 - its name


def ensure_login(dsn: str, password: str) -> None:
    """Create the login, or bring its password up to date.

    ``dsn`` is a ``postgresql://`` URL of a login that made the roles of the schema, as the pipeline's does.

    Raises:
        psycopg.errors.InsufficientPrivilege: that login may make no others; have an administrator make one.
    """
    from bitbucket_compliance.core.roles import ensure_login as ensure

    ensure(dsn, LOGIN, ROLE, password)


def main() -> int:
    """``python -m bitbucket_webhooks.login``: make the login in the database of the connection compliance_postgres.

    Its password is taken from ``COMPLIANCE_RECEIVER_PASSWORD``.
    """
    from bitbucket_compliance.database.migrate import dsn_of_connection

    argparse.ArgumentParser(description=main.__doc__).parse_args()
    password = os.environ.get(PASSWORD_VARIABLE, "")
    if not password:
        print(f"error: {PASSWORD_VARIABLE} is empty: set it in .env", file=sys.stderr)
        return 1
    ensure_login(dsn_of_connection(), password)
    print(f"the login {LOGIN} takes deliveries of webhooks in")
    return 0


if __name__ == "__main__":
    sys.exit(main())
