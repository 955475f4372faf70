"""Runs the SQL file that belongs to a revision, so that SQL stays SQL: formatted, linted and readable."""

from pathlib import Path

from alembic import op

VERSIONS = Path(__file__).parent / "versions"


def run_file(name: str) -> None:
    """Execute every statement of ``versions/<name>`` on the migration's connection, in its transaction."""
    cursor = op.get_bind().connection.cursor()
    cursor.execute((VERSIONS / name).read_text(encoding="utf-8"))
