"""`make exception` and the exceptions of `make review`: ask for an exception, list them, decide on one."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from local import environment as env
from local.services import LocalError, data_postgres

if TYPE_CHECKING:
    from bitbucket_compliance.core.database import Connection
    from bitbucket_compliance.registry.exceptions import RecordedException

USAGE: Final = (
    "usage: make exception TEST=peer_review_required WORKSPACE=slug SUBJECT=repository-or-member (or PROJECT=key, or "
    "PATTERN='slug-*') OWNER=person REASON='why' UNTIL=2026-12-31; without TEST it lists them"
)
SHOWN: Final = ("exception_id", "status", "workspace", "test_id", "target", "owner", "until", "covers")


@dataclass(frozen=True)
class Wish:
    """What was typed, as it was typed."""

    test: str = ""
    workspace: str = ""
    subject: str = ""
    project: str = ""
    pattern: str = ""
    owner: str = ""
    reason: str = ""
    until: str = ""

    @classmethod
    def of(cls, options: argparse.Namespace) -> Wish:
        """As the command line has it."""
        return cls(**{field.name: getattr(options, field.name) for field in fields(cls)})


def exception(wish: Wish) -> int:
    """Ask for an exception; without a test, list them.

    Raises:
        LocalError: something needed was not given.
        ExceptionRefused: see ``bitbucket_compliance.registry.exceptions.request``.
    """
    if not wish.test:
        given = [name for name, value in vars(wish).items() if value and name != "workspace"]
        if given:
            raise LocalError(USAGE)
        with data_postgres() as connection:
            print(listing(connection, wish.workspace))
        return 0
    until = _day(wish)
    with data_postgres() as connection:
        print(ask(connection, wish, until, env.operator()))
    return 0


def review_exception(exception_id: str, decision: str, reason: str = "") -> int:
    """Decide on an exception as the user of the operating system.

    Raises:
        ExceptionRefused: see ``bitbucket_compliance.registry.exceptions.decide``.
    """
    with data_postgres() as connection:
        print(decided(connection, exception_id, decision.strip().lower(), reason, env.operator()))
    return 0


def ask(connection: Connection, wish: Wish, until: date, person: str) -> str:
    """Ask for it and say what was noted."""
    from bitbucket_compliance.registry.exceptions import ExceptionRequest, end_of_day, request

    asked = ExceptionRequest(
        test_id=wish.test.strip(),
        workspace=wish.workspace,
        owner=wish.owner,
        reason=wish.reason,
        expires_at=end_of_day(connection, until, wish.workspace),
        subject=wish.subject,
        project=wish.project,
        pattern=wish.pattern,
    )
    connection.commit()
    noted = request(connection, asked, requested_by=person)
    return (
        f"requested: exception {noted.exception_id} for {noted.test_id} in {noted.workspace}, "
        f"until the end of {until}\n"
        "somebody who neither owns nor asked for it decides: "
        f"make review EXCEPTION={noted.exception_id} DECISION=accept (or reject, with REASON=…)"
    )


def decided(connection: Connection, exception_id: str, decision: str, reason: str, person: str) -> str:
    """Decide on it and say what that means."""
    from bitbucket_compliance.registry.exceptions import decide

    return _consequence(decide(connection, exception_id, decision, decided_by=person, reason=reason or None))


def _consequence(noted: RecordedException) -> str:
    head = f"{noted.status}: exception {noted.exception_id} for {noted.test_id} in {noted.workspace}"
    if noted.status == "accepted":
        subjects = "1 failing subject" if noted.subjects == 1 else f"{noted.subjects} failing subjects"
        return (
            f"{head}; it covers {subjects} until {noted.expires_at:%Y-%m-%d %H:%M} UTC\n"
            "results show it from the next run or housekeeping on; they stay failing"
        )
    if noted.status == "withdrawn":
        return f"{head}\nwhat it covered re-opens with the next run or housekeeping"
    return head


def listing(connection: Connection, workspace: str = "") -> str:
    """All exceptions, as a table."""
    from bitbucket_compliance.registry.exceptions import listed

    rows = list(listed(connection, workspace))
    if not rows:
        return f"there are no exceptions yet\n{USAGE}"
    return "\n".join(_table([SHOWN, *(_cells(row) for row in rows)]))


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    covers = f"{row['subjects_covered']} of {row['subjects']}"
    until = f"{row['expires_at']:%Y-%m-%d %H:%M}"
    named = {**row, "target": f"{row['scope']} {row['target']}", "until": until, "covers": covers}
    return tuple(" ".join(str(named[name]).split()) for name in SHOWN)


def _table(rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = list(rows)
    widths = [max(len(line[i]) for line in lines) for i in range(len(SHOWN))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def _day(wish: Wish) -> date:
    """The last day, once everything needed was given."""
    missing = [name for name in ("workspace", "owner", "reason", "until") if not getattr(wish, name).strip()]
    if missing:
        raise LocalError(f"{', '.join(name.upper() for name in missing)} missing; {USAGE}")
    try:
        return date.fromisoformat(wish.until.strip())
    except ValueError:
        raise LocalError(f"UNTIL={wish.until} is no date: write it as 2026-12-31") from None
