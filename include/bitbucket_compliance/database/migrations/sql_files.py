"""Runs the SQL files that belong to a revision, so that SQL stays SQL: formatted, linted and readable."""

from pathlib import Path

from alembic import op

VERSIONS = Path(__file__).parent / "versions"


def run_files(*names: str) -> None:
    """Execute every statement of each ``versions/<name>``, in this order, in the migration's transaction."""
    cursor = op.get_bind().connection.cursor()
    for name in names:
        cursor.execute((VERSIONS / name).read_text(encoding="utf-8"))
