"""The record as files, from which ``verify.py`` works every digest out again.

``record/<chain>.tsv`` holds what the record noted: link (empty: none seals it yet), number, table, SHA-256 of the key,
digest. ``record/today.tsv`` holds the rows as they were when the package was made: chain, table, key (empty where it
names a person who must not be seen), SHA-256 of the key, digest, the two times between which a row belongs to a period,
and the JSON that the digest is taken of. Both are whole, from the first link on: a row that was written years ago may
be what a result rests on, and no link can be checked without the ones before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from psycopg import sql

from bitbucket_compliance.core.database import Connection
from bitbucket_compliance.reporting.audit.files import Output, PackageFolder
from bitbucket_compliance.reporting.audit.parts import PARTS

#: tables whose keys name persons, or may
_PERSONS_IN_KEYS: Final = frozenset(
    (
        "compliance.exception_endings",
        "compliance.member_history",
        "compliance.result_history",
        "registry.evidence_subjects",
        "registry.exception_subjects",
        "registry.persons",
    )
)
#: tables whose rows name nobody
_NO_PERSONS: Final = frozenset(("integration.publications",))
#: tables whose rows no part of a package shows: of these the digests say enough
_DIGESTS_ALONE: Final = frozenset(
    ("registry.imports", "registry.people", "registry.persons", "registry.refused_rows", "registry.roster_mappings")
)
_LINES: Final = sql.SQL("COPY (SELECT * FROM integration.record_lines(%(of_workspace)s)) TO STDOUT")
CHAINS: Final[Mapping[str, str | None]] = {"workspace": None, "shared": ""}
"""The chains by the name of their file; None: that of the workspace."""


def write_record(connection: Connection, folder: PackageFolder, keys: Mapping[str, Any], *, people: bool) -> None:
    """Write both chains, and the rows of today.

    Args:
        people: whether rows and keys that name persons are shown; of others the digests are.
    """
    of_chain = {chain: keys["workspace"] if of is None else of for chain, of in CHAINS.items()}
    for chain, workspace in of_chain.items():
        with folder.create(f"record/{chain}.tsv") as out:
            _copy(connection, _LINES, {"of_workspace": workspace}, out)
    relations = [row["relation"] for row in connection.execute("SELECT relation FROM integration.recorded_tables()")]
    with folder.create("record/today.tsv") as out:
        for chain, workspace in of_chain.items():
            for relation in sorted(relations):
                statement = _today(relation, people=people)
                values = {**keys, "chain": chain, "of_workspace": workspace, "relation": relation}
                _copy(connection, statement, values, out)


def _copy(connection: Connection, statement: sql.SQL | sql.Composed, values: Mapping[str, Any], out: Output) -> None:
    with connection.cursor() as cursor, cursor.copy(statement, values) as copy:
        for line in copy:
            out.write(line)


def _today(relation: str, *, people: bool) -> sql.Composed:
    """The statement that copies the rows of one table."""
    within = next((part.recorded for part in PARTS if part.recorded and part.recorded.relation == relation), None)
    starts = sql.SQL("body ->> {}").format(within.starts) if within else sql.SQL("null")
    ends = sql.SQL("body ->> {}").format(within.ends) if within and within.ends else sql.SQL("null")
    body: sql.Composable = sql.SQL("body")
    if relation in _DIGESTS_ALONE or not (people or relation in _NO_PERSONS):
        body = sql.SQL("null")
    elif within and within.starts == within.ends:
        # Of a population only what lies in the period is shown, and all of it is told by its digest.
        body = sql.SQL(
            "CASE WHEN (body ->> {0})::timestamptz >= %(starts_at)s AND (body ->> {0})::timestamptz < %(ends_at)s"
            " THEN body END"
        ).format(within.starts)
    key = sql.SQL("row_key") if people or relation not in _PERSONS_IN_KEYS else sql.SQL("''")
    return sql.SQL(
        "COPY (SELECT %(chain)s, %(relation)s, {key}, encode(sha256(convert_to(row_key, 'UTF8')), 'hex'), digest,"
        " {starts}, {ends}, {body} FROM integration.record_today(%(of_workspace)s, %(relation)s)) TO STDOUT"
    ).format(key=key, starts=starts, ends=ends, body=body)
