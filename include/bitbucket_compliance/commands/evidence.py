"""``evidence``: hand in evidence, or list it; ``review`` decides on it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, Final

from bitbucket_compliance.commands.command_line import (
    PROGRAM,
    CommandError,
    Flag,
    command,
    day,
    readable_file,
    spelled,
    table,
)
from bitbucket_compliance.commands.environment import database, operator

SHOWN: Final = ("evidence_id", "test_id", "about", "status", "captured_on", "valid_until", "submitted_by")


def _check(file: Path | None, test: str, captured_on: date | None, workspace: str, **others: str) -> None:
    if file is None and (captured_on or any(others.values())):
        raise CommandError("--file is missing: name what you hand in, or leave out all but --test and --workspace")
    missing = [name for name, value in (("--test", test), ("--captured-on", captured_on)) if file and not value]
    if missing:
        raise CommandError(f"{', '.join(missing)} missing: evidence is for one test and was captured on one day")


@command(
    "evidence",
    "hand in evidence, or list it",
    Flag("file", "shot.png", "the file that proves it; without a file evidence is listed", readable_file, None),
    Flag("test", "workspace_mfa_enforced", "which test it is for"),
    Flag("workspace", "slug", "which workspace it is about"),
    Flag("captured-on", "2026-03-31", "the day on which it was captured", day, None),
    Flag("scope", "workspace|project|repository|members", "what it is about; if left out, what the test is about"),
    Flag("targets", "a,b", "the projects, repositories or members that it is about"),
    Flag("note", "what it shows", "a remark"),
    check=_check,
)
def evidence(
    file: Path | None, test: str, workspace: str, captured_on: date | None, scope: str, targets: str, note: str
) -> None:
    """Submit a file and say what comes next; without one, list what there is, of one test and workspace if given.

    Raises:
        EvidenceRefused: see ``bitbucket_compliance.registry.evidence.submit``.
    """
    from bitbucket_compliance.registry.evidence import listed, submit

    with database() as connection:
        if file is None or captured_on is None:
            rows = [_cells(row) for row in listed(connection, test.strip(), workspace)]
            print(table([SHOWN, *rows]) if rows else "there is no evidence yet")
            return
        submission = submit(
            connection,
            file,
            test_id=test.strip(),
            workspace=workspace or None,
            scope=scope.strip().lower() or None,
            targets=targets.split(",") if targets.strip() else (),
            captured_on=captured_on,
            submitted_by=operator(),
            note=note or None,
        )
    print(f"submitted: evidence {submission.evidence_id} for {test.strip()}, captured on {captured_on}")
    print(*submission.lines, sep="\n", end="\n" if submission.lines else "")
    review = f"{PROGRAM} review --evidence={submission.evidence_id} --decision=accept"
    print(spelled(f"somebody else decides: {review} (or reject, with --reason=…)"))


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    targets = row["targets"]
    about = f"{row['scope']} {', '.join(targets[:2])}{', …' if len(targets) > 2 else ''}".strip()
    where = row["workspace"] or "any workspace"
    cells = {**row, "about": f"{where}: {about}", "valid_until": f"{row['valid_until']:%Y-%m-%d %H:%M}"}
    return tuple(" ".join(str(cells[name]).split()) for name in SHOWN)
