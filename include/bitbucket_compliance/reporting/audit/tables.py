"""The parts that are tables: each is streamed from Postgres into a CSV file, and its columns into the dictionary."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from psycopg import sql

from bitbucket_compliance.core.database import Connection
from bitbucket_compliance.reporting.audit.files import PackageFolder
from bitbucket_compliance.reporting.audit.parts import Part
from bitbucket_compliance.reporting.audit.pseudonyms import OWN_WORDS, Pseudonyms

_COMMENTS: Final = (
    "SELECT attname, col_description(attrelid, attnum) AS comment FROM pg_attribute"
    " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
)
#: columns that hold nothing but a person, however it is written
_PERSONS: Final = frozenset(
    (
        "accepted_by",
        "account_id",
        "approver",
        "author_id",
        "decided_by",
        "display_name",
        "ended_by",
        "member_id",
        "merged_by",
        "owner",
        "rejected_by",
        "requested_by",
        "submitted_by",
        "who",
        "withdrawn_by",
    )
)
#: columns that hold digests and numbers of a change: they name nobody
_KEYS: Final = frozenset(
    (
        "change_key",
        "commit_hash",
        "digest",
        "draw_digest",
        "facts_hash",
        "file_sha256",
        "policy_version",
        "row_digest",
        "sample_key",
    )
)
#: types whose values name nobody
_PLAIN_TYPES: Final = frozenset(
    (
        "bigint",
        "boolean",
        "date",
        "double precision",
        "integer",
        "interval",
        "numeric",
        "timestamp with time zone",
        "uuid",
    )
)
_TYPES: Final = "SELECT oid, format_type(oid, null) AS name FROM pg_type WHERE oid = ANY(%s)"


@dataclass(frozen=True)
class Column:
    """A column as the dictionary tells it."""

    name: str
    type: str
    meaning: str


@dataclass(frozen=True)
class Table:
    """A table as it was written: file below the package, columns, how many rows."""

    part: Part
    file: str
    columns: tuple[Column, ...]
    rows: int


def write_table(
    connection: Connection,
    folder: PackageFolder,
    part: Part,
    keys: Mapping[str, Any],
    pseudonyms: Pseudonyms | None,
    file: str = "",
) -> Table:
    """Write one part; cells are what Postgres writes in JSON: times in ISO 8601 and UTC, lists and objects as JSON.

    Args:
        pseudonyms: None where persons are named.
        file: ``data/<name>.csv`` where it is empty.
    """
    columns = _columns(connection, part, keys)
    name = file or f"data/{part.name}.csv"
    rows = 0
    with folder.create(name) as out:
        out.write(_csv_line([column.name for column in columns]))
        lines = _lines(connection, part, columns, keys)
        for line in lines if pseudonyms is None else _hidden(lines, part, columns, pseudonyms):
            rows += 1
            out.write(line)
    return Table(part, name, columns, rows)


def write_dictionary(folder: PackageFolder, tables: list[Table]) -> None:
    """Write what each column of each table means."""
    with folder.create("data/dictionary.csv") as out:
        out.write(_csv_line(["file", "column", "type", "meaning"]))
        for table in tables:
            for column in table.columns:
                out.write(_csv_line([table.file, column.name, column.type, column.meaning]))


def _columns(connection: Connection, part: Part, keys: Mapping[str, Any]) -> tuple[Column, ...]:
    asked = connection.execute(sql.SQL("SELECT * FROM ({}) AS part LIMIT 0").format(_query(part)), keys)
    described = asked.description or []
    types = {
        row["oid"]: row["name"]
        for row in connection.execute(_TYPES, ([column.type_code for column in described],)).fetchall()
    }
    comments = dict(part.columns)
    if part.describes:
        for row in connection.execute(_COMMENTS, (part.describes,)):
            comments.setdefault(row["attname"], row["comment"] or "")
    return tuple(Column(column.name, types[column.type_code], comments.get(column.name, "")) for column in described)


def _lines(
    connection: Connection, part: Part, columns: tuple[Column, ...], keys: Mapping[str, Any]
) -> Iterator[bytes | bytearray | memoryview]:
    cells = sql.SQL(", ").join(sql.SQL("body ->> {}").format(sql.Literal(column.name)) for column in columns)
    # OFFSET 0: a row becomes JSON once, not again for each column.
    statement = sql.SQL(
        "COPY (SELECT {} FROM (SELECT to_jsonb(part) AS body FROM ({}) AS part OFFSET 0) AS rows)"
        " TO STDOUT (FORMAT csv)"
    )
    with connection.cursor() as cursor, cursor.copy(statement.format(cells, _query(part)), keys) as copy:
        yield from copy


def _query(part: Part) -> sql.SQL:
    return sql.SQL(part.query.decode())


def _hidden(
    lines: Iterable[bytes | bytearray | memoryview], part: Part, columns: tuple[Column, ...], pseudonyms: Pseudonyms
) -> Iterator[bytes]:
    """The same lines, with pseudonyms in the cells that can name a person."""
    how = [
        (place, hide)
        for place, column in enumerate(columns)
        if (hide := hiding(pseudonyms, column.name, column.type, part)) is not None
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    # A line of COPY is a whole row, whatever breaks of lines its cells hold.
    for cells in csv.reader(bytes(line).decode() for line in lines):
        for place, hide in how:
            if cells[place]:
                cells[place] = hide(cells[place])
        writer.writerow(cells)
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()


def hiding(pseudonyms: Pseudonyms, column: str, type_name: str, part: Part) -> Callable[[str], str] | None:
    """What puts pseudonyms into the cells of a column; None: they name nobody."""
    if column in part.persons or column in _PERSONS:
        return pseudonyms.of
    if type_name in _PLAIN_TYPES or column in _KEYS or column in OWN_WORDS:
        return None
    return pseudonyms.hide_json if type_name == "jsonb" or type_name.endswith("[]") else pseudonyms.hide


def _csv_line(cells: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()
