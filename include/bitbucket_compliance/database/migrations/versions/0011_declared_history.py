"""declared data with its history"""

from bitbucket_compliance.database.migrations.sql_files import run_file

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_file("0011_declared_history.sql")


def downgrade() -> None:
    """Published history is never thrown away by a tool: restore a backup instead."""
    raise RuntimeError("downgrades are not offered: restore a backup of the database instead")
