"""What every import does: one at a time, noted with its file."""

from collections.abc import Iterator
from contextlib import contextmanager

from bitbucket_compliance.core.database import Connection, one_row, refresh_statistics
from bitbucket_compliance.registry.classification import one_at_a_time
from bitbucket_compliance.registry.imports.mapping import RosterMapping
from bitbucket_compliance.registry.tables.file import File
from bitbucket_compliance.security_tests.matching import MAIN_ROSTER


@contextmanager
def one_import_at_a_time(connection: Connection) -> Iterator[None]:
    """A transaction that no other import is in; what it adds is known to the planner."""
    with one_at_a_time(connection):
        yield
        refresh_statistics(connection, "registry")


def note_import(
    connection: Connection,
    kind: str,
    file: File,
    imported_by: str,
    rows: int,
    *,
    roster_name: str = MAIN_ROSTER,
    mapping: RosterMapping | None = None,
    refused_rows: int = 0,
) -> int:
    """Add the row of an import; returns its id."""
    cursor = connection.execute(
        "INSERT INTO registry.imports (kind, source, file_name, file_sha256, row_count, imported_by, roster_name,"
        " mapping, mapping_version, refused_rows)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING import_id",
        (
            kind,
            file.source,
            file.name,
            file.sha256,
            rows,
            imported_by,
            roster_name,
            mapping and mapping.name,
            mapping and mapping.version,
            refused_rows,
        ),
    )
    return int(one_row(cursor)["import_id"])
