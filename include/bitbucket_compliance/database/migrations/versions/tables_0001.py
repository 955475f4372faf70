"""the tables of the first release"""

from bitbucket_compliance.database.migrations.sql_files import run_files

revision = "tables_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_files(
        "tables_0001/schemas.sql",
        "tables_0001/runs.sql",
        "tables_0001/vault.sql",
        "tables_0001/requests.sql",
        "tables_0001/webhooks.sql",
        "tables_0001/landing.sql",
        "tables_0001/staging.sql",
        "tables_0001/registry.sql",
        "tables_0001/judged.sql",
        "tables_0001/quality.sql",
        "tables_0001/compliance.sql",
        "tables_0001/changes.sql",
        "tables_0001/populations.sql",
        "tables_0001/reading_grants.sql",
        "tables_0001/record.sql",
        "tables_0001/console.sql",
    )


def downgrade() -> None:
    """Published history is never thrown away by a tool: restore a backup instead."""
    raise RuntimeError("downgrades are not offered: restore a backup of the database instead")
