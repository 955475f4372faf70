"""`make evidence` and the evidence of `make review`: hand in evidence, list it, decide on it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from local import environment as env
from local.services import LocalError, data_postgres

if TYPE_CHECKING:
    from bitbucket_compliance.core.database import Connection

USAGE: Final = (
    "usage: make evidence FILE=shot.png TEST=workspace_mfa_enforced WORKSPACE=slug CAPTURED_ON=2026-03-31 "
    "[SCOPE=workspace|project|repository|members] [TARGETS=a,b] [NOTE='what it shows']; without FILE it lists them"
)
SHOWN: Final = ("evidence_id", "test_id", "about", "status", "captured_on", "valid_until", "submitted_by")


@dataclass(frozen=True)
class Handed:
    """What was typed, as it was typed."""

    file: str = ""
    test: str = ""
    workspace: str = ""
    scope: str = ""
    targets: str = ""
    captured_on: str = ""
    note: str = ""

    @classmethod
    def of(cls, options: argparse.Namespace) -> Handed:
        """As the command line has it."""
        return cls(**{field.name: getattr(options, field.name) for field in fields(cls)})


def evidence(handed: Handed) -> int:
    """Submit a file; without one, list what there is, of one test and workspace where they are given.

    Raises:
        LocalError: something needed was not given.
        EvidenceRefused: see ``bitbucket_compliance.registry.evidence.submit``.
    """
    if not handed.file:
        if any((handed.scope, handed.targets, handed.captured_on, handed.note)):
            raise LocalError(f"FILE missing; {USAGE}")
        with data_postgres() as connection:
            print(listing(connection, handed.test.strip(), handed.workspace))
        return 0
    day = _day(handed)
    with data_postgres() as connection:
        print(submitted(connection, handed, day, env.operator()))
    return 0


def review_evidence(evidence_id: str, decision: str, reason: str = "") -> int:
    """Decide on evidence as the user of the operating system.

    Raises:
        EvidenceRefused: see ``bitbucket_compliance.registry.evidence.decide``.
    """
    with data_postgres() as connection:
        print(decided(connection, evidence_id, decision.strip().lower(), reason, env.operator()))
    return 0


def submitted(connection: Connection, handed: Handed, captured_on: date, person: str) -> str:
    """Submit it and say what comes next."""
    from bitbucket_compliance.registry.evidence import submit

    submission = submit(
        connection,
        Path(handed.file).expanduser().absolute(),
        test_id=handed.test.strip(),
        workspace=handed.workspace or None,
        scope=handed.scope.strip().lower() or None,
        targets=handed.targets.split(",") if handed.targets.strip() else (),
        captured_on=captured_on,
        submitted_by=person,
        note=handed.note or None,
    )
    return "\n".join(
        [
            f"submitted: evidence {submission.evidence_id} for {handed.test.strip()}, captured on {captured_on}",
            *submission.lines,
            f"somebody else decides: make review EVIDENCE={submission.evidence_id} DECISION=accept "
            "(or reject, with REASON=…)",
        ]
    )


def decided(connection: Connection, evidence_id: str, decision: str, reason: str, person: str) -> str:
    """Decide on it and say what that means."""
    from bitbucket_compliance.registry.evidence import decide

    found = decide(connection, evidence_id, decision, decided_by=person, reason=reason or None)
    head = f"{found.status}: evidence {found.evidence_id}"
    if found.status == "accepted":
        subjects = "1 subject" if found.subjects == 1 else f"{found.subjects} subjects"
        return "\n".join([f"{head}; it covers {subjects}", *found.lines, "results show it from the next run on"])
    return f"{head}\nresults show it from the next run on" if found.status == "withdrawn" else head


def listing(connection: Connection, test_id: str = "", workspace: str = "") -> str:
    """All evidence, as a table."""
    from bitbucket_compliance.registry.evidence import listed

    rows = [_cells(row) for row in listed(connection, test_id, workspace)]
    if not rows:
        return f"there is no evidence yet\n{USAGE}"
    widths = [max(len(line[place]) for line in [SHOWN, *rows]) for place in range(len(SHOWN))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [SHOWN, *rows]
    )


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    targets = row["targets"]
    about = f"{row['scope']} {', '.join(targets[:2])}{', …' if len(targets) > 2 else ''}".strip()
    where = row["workspace"] or "any workspace"
    named = {**row, "about": f"{where}: {about}", "valid_until": f"{row['valid_until']:%Y-%m-%d %H:%M}"}
    return tuple(" ".join(str(named[name]).split()) for name in SHOWN)


def _day(handed: Handed) -> date:
    """The day of capture, once everything needed was given."""
    missing = [name for name in ("test", "captured_on") if not getattr(handed, name).strip()]
    if missing:
        raise LocalError(f"{', '.join(name.upper() for name in missing)} missing; {USAGE}")
    try:
        return date.fromisoformat(handed.captured_on.strip())
    except ValueError:
        raise LocalError(f"CAPTURED_ON={handed.captured_on} is no date: write it as 2026-03-31") from None
