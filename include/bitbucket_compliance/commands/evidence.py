"""``evidence``: hand in evidence, or list it; ``review`` decides on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from bitbucket_compliance.commands.command_line import (
    PROGRAM,
    CommandError,
    Commands,
    day,
    readable_file,
    spelled,
    table,
)
from bitbucket_compliance.commands.environment import database, operator

SHOWN: Final = ("evidence_id", "test_id", "about", "status", "captured_on", "valid_until", "submitted_by")


@dataclass(frozen=True)
class EvidenceUpload:
    """What was typed."""

    file: Path | None
    test: str
    workspace: str
    scope: str
    targets: str
    captured_on: date | None
    note: str


def register(commands: Commands) -> None:
    """Add the command."""
    command = commands.add(
        "evidence", lambda **typed: evidence(EvidenceUpload(**typed)), "hand in evidence, or list it", check=_check
    )
    command.flag("file", "shot.png", "what shows it; without it evidence is listed", is_a=readable_file, default=None)
    command.flag("test", "workspace_mfa_enforced", "which test it is for")
    command.flag("workspace", "slug", "which workspace it is about")
    command.flag("captured-on", "2026-03-31", "the day on which it was captured", is_a=day, default=None)
    command.flag("scope", "workspace|project|repository|members", "what it shows; the test's own where there is one")
    command.flag("targets", "a,b", "the projects, repositories or members it shows")
    command.flag("note", "what it shows", "a remark")


def _check(**typed: Any) -> None:
    upload = EvidenceUpload(**typed)
    if upload.file is None:
        if any((upload.scope, upload.targets, upload.captured_on, upload.note)):
            raise CommandError("--file is missing: name what you hand in, or leave out all but --test and --workspace")
        return
    missing = [name for name, value in (("--test", upload.test), ("--captured-on", upload.captured_on)) if not value]
    if missing:
        raise CommandError(f"{', '.join(missing)} missing: evidence is for one test and was captured on one day")


def evidence(upload: EvidenceUpload) -> None:
    """Submit a file and say what comes next; without one, list what there is, of one test and workspace if given.

    Raises:
        EvidenceRefused: see ``bitbucket_compliance.registry.evidence.submit``.
    """
    from bitbucket_compliance.registry.evidence import listed, submit

    test = upload.test.strip()
    with database() as connection:
        if upload.file is None or upload.captured_on is None:
            rows = [_cells(row) for row in listed(connection, test, upload.workspace)]
            print(table([SHOWN, *rows]) if rows else "there is no evidence yet")
            return
        submission = submit(
            connection,
            upload.file,
            test_id=test,
            workspace=upload.workspace or None,
            scope=upload.scope.strip().lower() or None,
            targets=upload.targets.split(",") if upload.targets.strip() else (),
            captured_on=upload.captured_on,
            submitted_by=operator(),
            note=upload.note or None,
        )
    print(f"submitted: evidence {submission.evidence_id} for {test}, captured on {upload.captured_on}")
    for line in submission.lines:
        print(line)
    command = f"{PROGRAM} review --evidence={submission.evidence_id} --decision=accept"
    print(spelled(f"somebody else decides: {command} (or reject, with --reason=…)"))


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    targets = row["targets"]
    about = f"{row['scope']} {', '.join(targets[:2])}{', …' if len(targets) > 2 else ''}".strip()
    where = row["workspace"] or "any workspace"
    cells = {**row, "about": f"{where}: {about}", "valid_until": f"{row['valid_until']:%Y-%m-%d %H:%M}"}
    return tuple(" ".join(str(cells[name]).split()) for name in SHOWN)
