"""The upgrade of a database: its schema, and the catalogue of this version in it."""

from bitbucket_compliance.core.postgres_address import PostgresAddress
from bitbucket_compliance.database import migrate
from bitbucket_compliance.security_tests.published import catalogue_rows


def upgrade(dsn: str) -> None:
    """Bring a database to the newest schema, and its catalogue to that of this version.

    Args:
        dsn: a ``postgresql://`` URL of the login that migrates.

    Raises:
        MigrationRefused, PostgresUnavailable: see ``migrate.upgrade``.
    """
    migrate.upgrade(dsn, catalogue=catalogue_rows())


def bring_up(owner: PostgresAddress, running: PostgresAddress) -> None:
    """As ``upgrade``, and let the login that runs step into its roles; see ``migrate.bring_up``.

    Raises:
        MigrationRefused, PostgresUnavailable: as ``upgrade``.
    """
    migrate.bring_up(owner, running, catalogue_rows())
