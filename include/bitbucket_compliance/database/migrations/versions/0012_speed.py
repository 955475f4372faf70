"""statistics on demand, and classification by equality where it can be"""

from bitbucket_compliance.database.migrations.sql_files import run_file

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_file("0012_speed.sql")


def downgrade() -> None:
    """Published history is never thrown away by a tool: restore a backup instead."""
    raise RuntimeError("downgrades are not offered: restore a backup of the database instead")
