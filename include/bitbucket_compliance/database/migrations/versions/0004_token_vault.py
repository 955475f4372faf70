"""token vault"""

from bitbucket_compliance.database.migrations.sql_files import run_file

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_file("0004_token_vault.sql")


def downgrade() -> None:
    """Published history is never thrown away by a tool: restore a backup instead."""
    raise RuntimeError("downgrades are not offered: restore a backup of the database instead")
