"""``audit``: write what an auditor signs off from, with a program that checks it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, Final

from bitbucket_compliance.commands.command_line import CommandError, Flag, command, day, switch, workspace, wrong
from bitbucket_compliance.commands.environment import database
from bitbucket_compliance.core.configured_folders import place
from bitbucket_compliance.reporting.audit.model import FREQUENCIES

TARGET: Final = "COMPLIANCE_EXPORT_TARGET"


def _frequency(value: str) -> str:
    if value and value not in FREQUENCIES:
        raise wrong(value, f"write {', '.join(FREQUENCIES)}, or leave it out")
    return value


@command(
    "audit",
    "write what an auditor signs off from, with a program that checks it",
    Flag("workspace", "slug", "the workspace", workspace, required=True),
    Flag("from", "2026-01-01", "first day of the period (UTC)", day, required=True),
    Flag("to", "2026-06-30", "last day of the period (UTC), included", day, required=True),
    Flag("seed", "text", "a text that samples are drawn by; the population's digest if left out"),
    Flag("framework", "name", "controls of one framework, as compliance.test_controls names it; all if left out"),
    Flag("people", "1", "name persons, and include files of evidence; else each person is a pseudonym", switch, False),
    Flag(
        "frequency",
        "daily|weekly|monthly",
        "how often the control operates, which decides how large samples are; the population does if left out",
        _frequency,
    ),
    Flag(
        "read-samples",
        "1",
        "ask Bitbucket of each sampled pull request when it was approved, changed and merged: three requests at most",
        switch,
        False,
    ),
    Flag("out", "folder", f"where to write; what {TARGET} names if left out"),
)
def audit(
    *, workspace: str, to: date, seed: str, framework: str, people: bool, frequency: str, out: str, **flags: Any
) -> int:
    """Write the package and print where; exit code 1 where something in it is not as it should be.

    Raises:
        CommandError: no folder is named.
        AuditRefused: there is no such workspace, framework or period.
    """
    from bitbucket_compliance.registry.evidence_files.store import read_kept
    from bitbucket_compliance.reporting.audit.model import AuditRequest
    from bitbucket_compliance.reporting.audit.package import package
    from bitbucket_compliance.tasks.audit_package import read_samples

    target = out or place(TARGET, "exports")
    if not target or "://" in target:
        raise CommandError(f"--out is missing: name the folder to write to ({TARGET} names none of this machine)")
    request = AuditRequest(
        workspace, flags["from"], to, seed.strip(), framework.strip(), people, frequency, flags["read_samples"]
    )
    with database() as connection:
        reads = read_samples(connection, request) if request.read_samples else None
        made = package(connection, request, Path(target).expanduser().absolute(), read_kept, reads)
    print(f"{made.folder}\n{made.zip}\n  manifest.json: sha256 {made.manifest_sha256}")
    for problem in made.problems:
        print(f"  not as it should be: {problem}")
    return 1 if made.problems else 0
