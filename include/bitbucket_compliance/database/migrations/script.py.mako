"""${message}"""

from bitbucket_compliance.database.migrations.sql_files import run_files

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_files("${up_revision}.sql")


def downgrade() -> None:
    """Published history is never thrown away by a tool: restore a backup instead."""
    raise RuntimeError("downgrades are not offered: restore a backup of the database instead")
