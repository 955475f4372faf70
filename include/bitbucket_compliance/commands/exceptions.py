"""``exception``: ask to accept a risk until a day, or list what was asked for; ``review`` decides on it."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from bitbucket_compliance.commands.command_line import PROGRAM, CommandError, Flag, command, day, spelled, table
from bitbucket_compliance.commands.environment import database, operator

SHOWN: Final = ("exception_id", "status", "workspace", "test_id", "target", "owner", "until", "covers")


def _check(test: str, **others: Any) -> None:
    missing = [f"--{name}" for name in ("workspace", "owner", "reason", "until") if test and not others[name]]
    if missing:
        raise CommandError(f"{', '.join(missing)} missing: an exception has an owner, a reason and a last day")
    if not test and any(value for name, value in others.items() if name != "workspace"):
        raise CommandError("--test is missing: name the test that fails, or leave out all but --workspace")


@command(
    "exception",
    "ask to accept a risk, or list",
    Flag("test", "peer_review_required", "which test fails; without it exceptions are listed"),
    Flag("workspace", "slug", "where"),
    Flag("subject", "name", "a repository, member or workspace: slug, display name or uuid"),
    Flag("project", "key", "instead of one subject: the repositories of a project"),
    Flag("pattern", "slug-*", "instead of one subject: repositories by their slug"),
    Flag("owner", "airflow:anna", "who owns the risk: somebody who has used the console or this command"),
    Flag("reason", "why", "why the risk is to be accepted"),
    Flag("until", "2026-12-31", "the last day on which it is accepted", day, None),
    check=_check,
)
def exception(test: str, workspace: str, until: date | None, **about: str) -> None:
    """Ask for an exception and say what was noted; without a test, list them.

    Raises:
        ExceptionRefused: see ``bitbucket_compliance.registry.exceptions.request``.
    """
    from bitbucket_compliance.registry import exceptions, persons

    with database() as connection:
        persons.note(connection, operator())
        if until is None:
            rows = [_cells(row) for row in exceptions.listed(connection, workspace)]
            print(table([SHOWN, *rows]) if rows else "there are no exceptions yet")
            return
        expires_at = exceptions.end_of_day(connection, until, workspace)
        connection.commit()
        request = exceptions.ExceptionRequest(test_id=test.strip(), workspace=workspace, expires_at=expires_at, **about)
        noted = exceptions.request(connection, request, requested_by=operator())
    print(f"requested: exception {noted.exception_id} for {noted.test_id} in {noted.workspace}, ", end="")
    print(f"until the end of {until}")
    review = f"{PROGRAM} review --exception={noted.exception_id} --decision=accept"
    print(spelled(f"somebody who neither owns nor asked for it decides: {review} (or reject, with --reason=…)"))


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    covers = f"{row['subjects_covered']} of {row['subjects']}"
    until = f"{row['expires_at']:%Y-%m-%d %H:%M}"
    cells = {**row, "target": f"{row['scope']} {row['target']}", "until": until, "covers": covers}
    return tuple(" ".join(str(cells[name]).split()) for name in SHOWN)
