"""``export``: write the published results of a run or of an instant into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bitbucket_compliance.commands.command_line import CommandError, Flag, command, one_of
from bitbucket_compliance.commands.environment import database
from bitbucket_compliance.core.configured_folders import place
from bitbucket_compliance.reporting.exports.formats import NAMES

TARGET: Final = "COMPLIANCE_EXPORT_TARGET"


def _check(out: str, **_: str) -> None:
    if "://" in out:
        raise CommandError(
            f"--out={out}: give a folder of this machine; the DAG export_results writes to object stores"
        )


@command(
    "export",
    "write the results to a file",
    Flag("format", "|".join(NAMES), "what the file looks like", one_of(*NAMES), required=True),
    Flag("workspace", "slug", "one workspace; all of them if left out, a file for each"),
    Flag("at", "2026-03-31", "a day, at its end (UTC), or a time; now if left out"),
    Flag("run", "run_id", "instead of a point in time: a run that published"),
    Flag("out", "folder", f"where to write; what {TARGET} names if left out"),
    check=_check,
)
def export(format: str, workspace: str, at: str, run: str, out: str) -> None:
    """Write it and print where.

    Raises:
        CommandError: no folder is named.
        ExportRefused: there is no such workspace, run or instant, or the format's library is not installed.
    """
    from bitbucket_compliance.reporting.exports import export as exports
    from bitbucket_compliance.reporting.exports.snapshot.read import ExportRequest

    target = out or place(TARGET, "exports")
    if not target or "://" in target:
        raise CommandError(f"--out is missing: name the folder to write to ({TARGET} names none of this machine)")
    request = ExportRequest(workspace.strip(), at.strip(), run.strip())
    with database() as connection:
        made = exports.export(connection, format, request, Path(target).expanduser().absolute())
    for one in made:
        counts = ", ".join(f"{count} {status}" for status, count in one.snapshot.by_status.items())
        print(f"{one.file}\n  {one.snapshot.verdicts} verdicts of {one.snapshot.workspace}: {counts}")
