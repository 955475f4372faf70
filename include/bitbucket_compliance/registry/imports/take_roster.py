"""Take a roster into the registry, from whatever it was read."""

import re
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from psycopg.types.json import Jsonb

from bitbucket_compliance.core.database import Connection, copy_rows
from bitbucket_compliance.core.errors import RosterShrank, SourceWrong
from bitbucket_compliance.registry.imports.mapping import RosterMapping, load_mapping
from bitbucket_compliance.registry.imports.matches import addressed, members_named
from bitbucket_compliance.registry.imports.record import note_import, one_import_at_a_time
from bitbucket_compliance.registry.imports.result import ImportResult
from bitbucket_compliance.registry.imports.roster import Roster, read_roster
from bitbucket_compliance.registry.tables.file import File
from bitbucket_compliance.security_tests.matching import MAIN_ROSTER
from bitbucket_compliance.security_tests.policies import load_policy

#: a roster may be shorter than the one before by so many people, whatever their share
FEW: Final = 3
#: the roster where nobody names one
MAIN: Final = MAIN_ROSTER
_ROSTER_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


def import_roster(
    connection: Connection,
    file: File,
    *,
    imported_by: str,
    mapping: str = "",
    roster_name: str = MAIN,
    strict: bool = False,
    may_shrink: bool = False,
    preview: bool = False,
) -> ImportResult:
    """Take a roster; ``roster_sources`` reads those that come from no file.

    Args:
        mapping: what its columns and words mean: a preset's name or the path of a YAML file; empty: the default.
        roster_name: which roster it is, where there are several: it takes the place of the one of this name alone.
        strict: one row that can't be used refuses it.
        may_shrink: a person confirms that it may name many people less than the one before.
        preview: nothing is written.

    Raises:
        ImportRefused: it names nobody, or too many of its rows can't be used, each named with its column and reason.
        RosterShrank: it names many people less than the one before.
        SourceWrong: there is no such mapping, or the name of the roster is none.
    """
    name = _roster_name(roster_name)
    thresholds = load_policy().thresholds
    meant = load_mapping(mapping)
    roster = read_roster(file, meant, ZoneInfo(thresholds.time_zone))
    roster.refuse_if_bad(thresholds.max_bad_row_share, strict=strict)
    import_id = None
    if preview:
        if not may_shrink:
            _check_shrinkage(connection, name, roster, thresholds.max_shrink_share)
    else:
        with one_import_at_a_time(connection):
            if not may_shrink:
                _check_shrinkage(connection, name, roster, thresholds.max_shrink_share)
            import_id = _write_roster(connection, name, roster, meant, imported_by)
    people = f"{len(roster.people)} people"
    return ImportResult(
        "roster",
        file.name,
        people if name == MAIN else f"{people} of the roster {name}",
        import_id,
        is_preview=preview,
        columns=roster.columns,
        rows=len(file.rows),
        taken=len(roster.people),
        matches=members_named(connection, map(addressed, roster.people)) if preview else None,
        refused=tuple(roster.bad.found),
        unclear=tuple(roster.unclear(thresholds.day_of(datetime.now(UTC)))),
    )


def _roster_name(given: str) -> str:
    name = given.strip().lower() or MAIN
    if not _ROSTER_NAME.fullmatch(name):
        raise SourceWrong(
            f"{given[:60]!r} is no name of a roster: write up to 40 letters, digits, - and _, such as contractors"
        )
    return name


def _write_roster(connection: Connection, name: str, roster: Roster, mapping: RosterMapping, imported_by: str) -> int:
    connection.execute(
        "INSERT INTO registry.roster_mappings (mapping_version, body) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        (mapping.version, Jsonb(mapping.body)),
    )
    import_id = note_import(
        connection,
        "roster",
        roster.file,
        imported_by,
        len(roster.people),
        roster_name=name,
        mapping=mapping,
        refused_rows=len(roster.refused),
    )
    copy_rows(
        connection,
        "COPY registry.people (import_id, line, email, name, status, end_date, account_id, other_emails) FROM STDIN",
        ((import_id, *vars(person).values()) for person in roster.people),
    )
    copy_rows(
        connection,
        "COPY registry.refused_rows (import_id, line, problems, email, name, account_id, other_emails) FROM STDIN",
        ((import_id, *vars(row).values()) for row in roster.refused),
    )
    return import_id


def _check_shrinkage(connection: Connection, name: str, roster: Roster, max_share: float) -> None:
    """Refuse a roster that lost people as no company does in a day: half a roster calls everybody else unknown.

    Raises:
        RosterShrank: says how many were there, and how to confirm it.
    """
    before = connection.execute(
        "SELECT row_count + refused_rows AS rows FROM registry.import_states"
        " WHERE kind = 'roster' AND roster_name = %s AND is_in_force",
        (name,),
    ).fetchone()
    people = len(roster.people) + len(roster.refused)
    lost = before["rows"] - people if before else 0
    if lost > FEW and lost > max_share * (people + lost):
        raise RosterShrank(
            roster.file.name,
            f"it names {people} people, the roster before {people + lost}: more than {max_share:.0%} are missing",
        )
    if lost > 0 and roster.file.doubt:
        raise RosterShrank(
            roster.file.name,
            f"it names {people} people, the roster before {people + lost}, and nothing shows that these are all: "
            f"{roster.file.doubt}",
        )
