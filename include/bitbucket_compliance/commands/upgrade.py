"""``upgrade`` and ``rotate-vault-key``: what is done to the data's Postgres after a new version, or for a new key."""

from bitbucket_compliance.commands.command_line import command
from bitbucket_compliance.commands.environment import encrypted
from bitbucket_compliance.core.postgres_address import PostgresAddress


@command("upgrade", "bring the schema of the results' Postgres up to date")
def upgrade() -> None:
    """Upgrade the database of ``compliance_postgres``; see ``bitbucket_compliance.database.migrate.bring_up``."""
    from bitbucket_compliance.database import migrate

    migrate.bring_up(PostgresAddress.of_owner(), PostgresAddress.from_environment())
    print("compliance schema is current")


@command("rotate-vault-key", "encrypt the token vault with another key: COMPLIANCE_VAULT_KEY=new,old")
def rotate_vault_key() -> None:
    """Encrypt every row anew with the first key of COMPLIANCE_VAULT_KEY; the others open what they encrypted.

    Raises:
        ConfigurationError: there is no key, or a row that none of the keys opens; nothing is changed then.
    """
    from bitbucket_cloud.key_rotation import rotate_key

    count = rotate_key(*encrypted())
    print(f"connections encrypted with the first key of COMPLIANCE_VAULT_KEY: {count}; the other keys can go now")
