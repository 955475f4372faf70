"""Imports as they were made: which there are, what is wrong with rows of one, and taking one back.

Taking back adds a row and changes none: a roster or an entry of a classification that stood before the import stands
again, and evidence that an import brought is withdrawn.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bitbucket_compliance.core.audit import record
from bitbucket_compliance.core.database import Connection
from bitbucket_compliance.core.errors import ImportRefused
from bitbucket_compliance.registry import persons
from bitbucket_compliance.registry.classification import one_at_a_time
from bitbucket_compliance.registry.evidence.decide import decide

LONGEST_REASON: Final = 2000
#: imports of a list, if nobody asks for more
SHOWN: Final = 50
_AUDITED: Final = ("kind", "roster_name", "file_name", "file_sha256", "row_count", "imported_by", "imported_at")

Row = dict[str, Any]


@dataclass(frozen=True)
class TakenBack:
    """An import that was taken back; ``told``: a sentence on what is in force now."""

    import_id: int
    told: str


def listed(connection: Connection, limit: int | None = SHOWN, offset: int = 0) -> list[Row]:
    """Rows of ``registry.import_states``, the newest first, each with the ``total`` of all; no limit: every one."""
    return connection.execute(
        "SELECT *, count(*) OVER () AS total FROM registry.import_states ORDER BY import_id DESC LIMIT %s OFFSET %s",
        (limit, offset),
    ).fetchall()


def one(connection: Connection, import_id: int) -> Row | None:
    """One row of ``registry.import_states``; None: there is no such import."""
    return connection.execute("SELECT * FROM registry.import_states WHERE import_id = %s", (import_id,)).fetchone()


def refused_rows(connection: Connection, import_id: int) -> list[Row]:
    """``line`` and ``problems`` of each row of an import that could not be used."""
    return connection.execute(
        "SELECT line, problems FROM registry.refused_rows WHERE import_id = %s ORDER BY line", (import_id,)
    ).fetchall()


def take_back(connection: Connection, import_id: int, *, reason: str, taken_back_by: str) -> TakenBack:
    """Take an import back; what was in force before it is in force again.

    Args:
        reason: why. taken_back_by: who does it; see ``core.persons``.

    Raises:
        ImportRefused: there is no such import, it was taken back already, another one has to be first, or the reason is
            missing; nothing is changed.
        PersonUnclear: ``taken_back_by`` names nobody.
    """
    why = _text(reason)
    with one_at_a_time(connection):
        row = one(connection, import_id)
        if row is None:
            raise ImportRefused(f"there is no import {import_id}: look at the list of imports", [])
        if row["taken_back_at"]:
            raise ImportRefused(f"import {import_id} was taken back already, by {row['taken_back_by']}", [])
        persons.note(connection, taken_back_by)
        if row["kind"] == "classification":
            _check_that_it_is_the_newest(connection, import_id)
        if row["kind"] == "mfa":
            _withdraw_evidence(connection, import_id, why, taken_back_by)
        connection.execute(
            "INSERT INTO registry.import_withdrawals (import_id, taken_back_by, reason) VALUES (%s, %s, %s)",
            (import_id, taken_back_by, why),
        )
        if row["kind"] == "classification":
            connection.execute("SELECT registry.bind_classification()")
        told = _in_force_now(connection, row)
        before = {name: row[name] for name in _AUDITED if row[name] is not None}
        record(
            connection,
            taken_back_by,
            "import.taken_back",
            f"import {import_id}",
            before,
            {"reason": why, "since": told},
        )
    return TakenBack(import_id, told)


def _text(reason: str) -> str:
    why = reason.strip()
    if not why:
        raise ImportRefused("a reason is missing: say why the import is taken back", [])
    if len(why) > LONGEST_REASON or any(not (letter.isprintable() or letter in "\r\n\t") for letter in why):
        raise ImportRefused(f"the reason is no text of {LONGEST_REASON} characters at most; shorten it", [])
    return why


def _check_that_it_is_the_newest(connection: Connection, import_id: int) -> None:
    """What a later classification declares alike is noted once, with the earlier one: that has to go first."""
    later = connection.execute(
        "SELECT max(import_id) AS import_id FROM registry.import_states"
        " WHERE kind = 'classification' AND taken_back_at IS NULL AND import_id > %s",
        (import_id,),
    ).fetchone()
    if later and later["import_id"]:
        raise ImportRefused(
            f"import {later['import_id']} is a later classification: take that one back first, or import what should "
            "hold instead",
            [],
        )


def _withdraw_evidence(connection: Connection, import_id: int, why: str, taken_back_by: str) -> None:
    brought = connection.execute(
        "SELECT evidence_id::text AS evidence_id FROM registry.evidence_states"
        " WHERE import_id = %s AND status IN ('submitted', 'accepted')",
        (import_id,),
    ).fetchall()
    if not brought:
        raise ImportRefused(
            f"the evidence of import {import_id} was withdrawn already: there is nothing to take back", []
        )
    for evidence in brought:
        decide(connection, evidence["evidence_id"], "withdraw", decided_by=taken_back_by, reason=why)


def _in_force_now(connection: Connection, row: Mapping[str, Any]) -> str:
    if row["kind"] == "mfa":
        return "its evidence is withdrawn; older evidence counts while it is valid"
    if row["kind"] == "classification":
        return "its entries count for nothing; those before them stand again"
    name = row["roster_name"]
    now = connection.execute(
        "SELECT import_id, file_name, row_count, imported_at FROM registry.import_states"
        " WHERE kind = 'roster' AND roster_name = %s AND is_in_force",
        (name,),
    ).fetchone()
    if now is None:
        return f"no roster {name} is in force any more"
    return (
        f"the roster {name} is import {now['import_id']} again: {now['file_name']}, {now['row_count']} people, of "
        f"{now['imported_at']:%Y-%m-%d %H:%M} UTC"
    )
