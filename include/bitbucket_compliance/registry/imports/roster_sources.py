"""The roster from elsewhere than a file: rows of a query over any Airflow SQL connection, users of a directory.

Each source becomes the same ``File`` of text cells that a table of a file becomes, so that one set of checks and one
way into the registry serve all. Their rows are counted from 1.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final

from bitbucket_compliance.core.configured_folders import QUERY_FOLDERS, file_below, read_at_most
from bitbucket_compliance.core.database import as_json
from bitbucket_compliance.core.errors import SourceWrong
from bitbucket_compliance.registry.imports.mapping import ROSTER_COLUMNS
from bitbucket_compliance.registry.imports.roster_query import fetch
from bitbucket_compliance.registry.imports.scim import directory_of, read_users
from bitbucket_compliance.registry.tables.file import File
from bitbucket_compliance.security_tests.matching import MAIN_ROSTER

SOURCE_VARIABLE = "COMPLIANCE_ROSTER_SOURCE"
LARGEST_QUERY = 100_000
_NAMED: Final = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9_-]*)\s*=")
SOURCE_USAGE = "write sql:<connection>:<query file>, scim:<connection> or file:<path of the CSV>"


@dataclass(frozen=True)
class Source:
    """Where a roster comes from: ``kind`` is ``file``, ``sql`` or ``scim``; ``path`` is of the CSV or the query."""

    kind: str
    conn_id: str = ""
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> "Source":
        """``sql:<connection>:<query file>``, ``scim:<connection>`` or ``file:<path>``.

        Raises:
            SourceWrong: it is none of these.
        """
        kind, _, rest = text.strip().partition(":")
        if kind == "file" and rest:
            return cls("file", path=rest)
        conn_id, _, path = rest.partition(":")
        try:
            return cls.of(kind, conn_id, path)
        except SourceWrong:
            raise SourceWrong(f"{SOURCE_VARIABLE}={text!r} is no source of a roster: {SOURCE_USAGE}") from None

    @classmethod
    def configured(cls, text: str) -> "dict[str, Source]":
        """Sources by the names of their rosters: ``scim:idp``, or ``main=scim:idp; contractors=sql:hr:people.sql``.

        Raises:
            SourceWrong: one of them is none, or two have one name.
        """
        found: dict[str, Source] = {}
        for entry in re.split(r"[;\n]", text):
            if entry.strip():
                named = _NAMED.match(entry)
                name = named[1].lower() if named else MAIN_ROSTER
                if name in found:
                    raise SourceWrong(
                        f"{SOURCE_VARIABLE} has two sources of the roster {name}: write name=source; name=source"
                    )
                found[name] = cls.parse(entry[named.end() :] if named else entry)
        return found

    @classmethod
    def of(cls, kind: str, conn_id: str, query_file: str) -> "Source":
        """A connection that holds a roster.

        Raises:
            SourceWrong: the kind is unknown, or what it needs is missing.
        """
        if kind not in ("sql", "scim"):
            raise SourceWrong(f"unknown source {kind!r} of a roster; known: file, sql, scim")
        if not conn_id:
            raise SourceWrong(f"a roster from {kind} needs conn_id, the id of an Airflow connection")
        if (kind == "sql") != bool(query_file):
            raise SourceWrong("a roster from sql needs query_file, the path of a query; one from scim has none")
        return cls(kind, conn_id, query_file)

    def read(self) -> File:
        """The roster that the connection holds; see ``read_sql`` and ``read_scim``."""
        return read_sql(self.conn_id, Path(self.path)) if self.kind == "sql" else read_scim(self.conn_id)

    def in_folders(self) -> "Source":
        """The same source, its query below one of the folders of ``COMPLIANCE_QUERY_FOLDERS``.

        Raises:
            FileRefused: it lies elsewhere, or there is no such file.
        """
        return replace(self, path=str(file_below(QUERY_FOLDERS, self.path))) if self.kind == "sql" else self


# ------------------------------------------------------------------------ SQL


def read_sql(conn_id: str, query_file: Path) -> File:
    """Run a query over an Airflow connection of any SQL type whose provider is installed; see ``roster_query``.

    Args:
        query_file: text of one query with the columns ``email`` and ``status``; ``name``, ``end_date`` and
            ``account_id`` where there are such.

    Raises:
        SourceWrong: no such file or connection, or a query that brings no rows or could change something.
        DestinationRefused: the connection may not lead there.
        SourceUnavailable: the database doesn't answer, or refuses the query.
    """
    columns, rows = fetch(conn_id, _query(query_file))
    return roster_file(f"sql:{conn_id}", "sql", columns, rows)


def _query(path: Path) -> str:
    try:
        query = read_at_most(path, LARGEST_QUERY).decode("utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as unreadable:
        reason = getattr(unreadable, "strerror", None) or "not UTF-8 text"
        raise SourceWrong(f"{path}: the query file can't be read ({reason})") from unreadable
    if not query or len(query) > LARGEST_QUERY:
        raise SourceWrong(f"{path}: the query file is {'larger than 100 kB' if query else 'empty'}")
    return query


# ----------------------------------------------------------------------- SCIM


def read_scim(conn_id: str) -> File:
    """The users of a SCIM directory: active ones are ``active``, the others ``terminated``.

    RFC 7643 has no default for ``active``: the row of a user without it can't be used.

    SCIM knows neither leave nor a last day; an attribute that the connection names may hold the latter.

    Raises:
        SourceWrong, SourceUnavailable: see ``scim``.
    """
    directory = directory_of(conn_id)
    rows: list[Sequence[object]] = []
    unsaid: dict[tuple[int, str], str] = {}
    listed = read_users(directory)
    for number, user in enumerate(listed.users, start=1):
        if user.active is None:
            unsaid[number, "status"] = "the attribute active is missing, or neither true nor false"
        end_date = user.text(directory.end_date_attribute) if directory.end_date_attribute else ""
        account_id = user.text(directory.account_id_attribute) if directory.account_id_attribute else ""
        rows.append(
            ("; ".join(user.emails), user.name, "active" if user.active else "terminated", end_date, account_id)
        )
    file = roster_file(f"scim:{conn_id}", "scim", ROSTER_COLUMNS, rows)
    return replace(file, doubt=listed.doubt, unreadable={**file.unreadable, **unsaid})


# ----------------------------------------------------------------------- both


def roster_file(name: str, source: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> File:
    """Rows of values of any type as the rows of text that a CSV would have; the hash is of these in any order.

    A value that holds what no text holds is left out, and its row can't be used.
    """
    unreadable: dict[tuple[int, str], str] = {}
    texts: list[list[str]] = []
    for number, row in enumerate(rows, start=1):
        cells = [_text(value) for value in row]
        for place, cell in enumerate(cells):
            if "\x00" in cell or any("\ud800" <= letter <= "\udfff" for letter in cell):
                unreadable[number, columns[place]] = "holds a character that no text has"
                cells[place] = ""
        texts.append(cells)
    sha256 = hashlib.sha256(as_json([list(columns), *sorted(texts)]).encode()).hexdigest()
    numbered = tuple((number, tuple(cells)) for number, cells in enumerate(texts, start=1))
    return File(
        name, sha256, tuple(columns), numbered, counted_in="row", source=source, header_line=0, unreadable=unreadable
    )


def _text(value: object) -> str:
    """A value as a CSV would write it; what is missing is empty."""
    if value is None or value != value:  # NaN and NaT differ from themselves
        return ""
    if isinstance(value, date):  # with a time too
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        # A binary column or collation; what is no UTF-8 is refused as no text.
        return bytes(value).decode("utf-8", "surrogateescape").strip()
    return str(value).strip()
