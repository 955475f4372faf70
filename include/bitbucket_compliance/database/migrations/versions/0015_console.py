"""the console: audit trail, states of consents"""

from bitbucket_compliance.database.migrations.sql_files import run_file

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_file("0015_console.sql")


def downgrade() -> None:
    """Published history is never thrown away by a tool: restore a backup instead."""
    raise RuntimeError("downgrades are not offered: restore a backup of the database instead")
