"""``python -m bitbucket_compliance.database.receiver_login``: the database login of the receiver of webhooks.

A receiver that runs as a process of its own may keep deliveries, and nothing else.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Final

from bitbucket_compliance.core import roles
from bitbucket_compliance.core.postgres_address import PostgresAddress

LOGIN: Final = "compliance_webhooks"
ROLE: Final = "compliance_receiver"
PASSWORD_VARIABLE: Final = "COMPLIANCE_RECEIVER_PASSWORD"  # noqa: S105 - its name


def ensure_login(dsn: str, password: str) -> None:
    """Create the login, or bring its password up to date.

    ``dsn`` is a ``postgresql://`` URL of a login that made the roles of the schema, as the one that migrates does.

    Raises:
        psycopg.errors.InsufficientPrivilege: that login may make no others; have an administrator make one.
    """
    roles.ensure_login(dsn, LOGIN, ROLE, password)


def main() -> int:
    """Make the receiver's login in the database of the connection compliance_postgres, by the login that migrates.

    Its password is taken from ``COMPLIANCE_RECEIVER_PASSWORD``.
    """
    argparse.ArgumentParser(description=main.__doc__).parse_args()
    password = os.environ.get(PASSWORD_VARIABLE, "")
    if not password:
        print(f"error: {PASSWORD_VARIABLE} is empty: set it in .env", file=sys.stderr)
        return 1
    ensure_login(PostgresAddress.of_owner().dsn, password)
    print(f"the login {LOGIN} may keep deliveries of webhooks")
    return 0


if __name__ == "__main__":
    sys.exit(main())
