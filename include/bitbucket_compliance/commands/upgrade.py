"""``upgrade``: bring the schema of the data's Postgres up to date."""

from bitbucket_compliance.commands.command_line import Commands
from bitbucket_compliance.core.postgres_address import PostgresAddress


def register(commands: Commands) -> None:
    """Add the command."""
    commands.add("upgrade", upgrade, "bring the schema of the results' Postgres up to date")


def upgrade() -> None:
    """Upgrade the database of ``compliance_postgres``; see ``bitbucket_compliance.database.migrate.upgrade``."""
    from bitbucket_compliance.database import migrate

    migrate.upgrade(PostgresAddress.from_environment().dsn)
    print("compliance schema is current")
