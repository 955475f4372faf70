"""``exception``: ask to accept a risk until a day, or list what was asked for; ``review`` decides on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from bitbucket_compliance.commands.command_line import PROGRAM, CommandError, Commands, day, spelled, table
from bitbucket_compliance.commands.environment import database, operator

SHOWN: Final = ("exception_id", "status", "workspace", "test_id", "target", "owner", "until", "covers")


@dataclass(frozen=True)
class ExceptionRequest:
    """What was typed."""

    test: str
    workspace: str
    subject: str
    project: str
    pattern: str
    owner: str
    reason: str
    until: date | None


def register(commands: Commands) -> None:
    """Add the command."""
    command = commands.add(
        "exception", lambda **typed: exception(ExceptionRequest(**typed)), "ask to accept a risk, or list", check=_check
    )
    command.flag("test", "peer_review_required", "which test fails; without it exceptions are listed")
    command.flag("workspace", "slug", "where")
    command.flag("subject", "name", "a repository, member or workspace: slug, display name or uuid")
    command.flag("project", "key", "in the place of one subject: the repositories of a project")
    command.flag("pattern", "slug-*", "in the place of one subject: repositories by their slug")
    command.flag("owner", "person", "who owns the risk")
    command.flag("reason", "why", "why the risk is to be accepted")
    command.flag("until", "2026-12-31", "the last day on which it is accepted", is_a=day, default=None)


def _check(**typed: Any) -> None:
    if typed["test"]:
        missing = [f"--{name}" for name in ("workspace", "owner", "reason", "until") if not typed[name]]
        if missing:
            raise CommandError(f"{', '.join(missing)} missing: an exception has an owner, a reason and a last day")
    elif any(value for name, value in typed.items() if name != "workspace"):
        raise CommandError("--test is missing: name the test that fails, or leave out all but --workspace")


def exception(request: ExceptionRequest) -> None:
    """Ask for an exception and say what was noted; without a test, list them.

    Raises:
        ExceptionRefused: see ``bitbucket_compliance.registry.exceptions.request``.
    """
    from bitbucket_compliance.registry import exceptions

    with database() as connection:
        if request.until is None:
            rows = [_cells(row) for row in exceptions.listed(connection, request.workspace)]
            print(table([SHOWN, *rows]) if rows else "there are no exceptions yet")
            return
        asked = exceptions.Asked(
            test_id=request.test.strip(),
            workspace=request.workspace,
            owner=request.owner,
            reason=request.reason,
            expires_at=exceptions.end_of_day(connection, request.until, request.workspace),
            subject=request.subject,
            project=request.project,
            pattern=request.pattern,
        )
        connection.commit()
        noted = exceptions.request(connection, asked, requested_by=operator())
    print(
        f"requested: exception {noted.exception_id} for {noted.test_id} in {noted.workspace}, "
        f"until the end of {request.until}"
    )
    command = f"{PROGRAM} review --exception={noted.exception_id} --decision=accept"
    print(spelled(f"somebody who neither owns nor asked for it decides: {command} (or reject, with --reason=…)"))


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    covers = f"{row['subjects_covered']} of {row['subjects']}"
    until = f"{row['expires_at']:%Y-%m-%d %H:%M}"
    cells = {**row, "target": f"{row['scope']} {row['target']}", "until": until, "covers": covers}
    return tuple(" ".join(str(cells[name]).split()) for name in SHOWN)
