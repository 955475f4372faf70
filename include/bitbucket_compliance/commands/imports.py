"""``import`` and ``unclassify``: take declared data into the registry, and a classification entry back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from bitbucket_compliance.commands.command_line import (
    PROGRAM,
    CommandError,
    Flag,
    command,
    day,
    readable_file,
    switch,
    workspace,
    wrong,
)
from bitbucket_compliance.commands.environment import database, operator
from bitbucket_compliance.core.errors import ImportRefused


def _past_day(value: str) -> date:
    if day(value) > datetime.now(UTC).date():
        raise wrong(value, "is yet to come: name the day on which the export was made")
    return day(value)


def _check(roster: Path | None, roster_sql: str, query: Path | None, roster_scim: str, **others: object) -> None:
    if not any((roster, roster_sql, query, roster_scim, others["classification"], others["mfa"])):
        raise CommandError(
            f"usage: {PROGRAM} import --roster=file.csv --classification=file.csv --mfa=file.csv (at least one)"
        )
    if bool(roster_sql) != bool(query):
        raise CommandError(f"usage: {PROGRAM} import --roster-sql=connection --query=file.sql")
    if sum(map(bool, (roster, roster_sql, roster_scim))) > 1:
        raise CommandError(
            "one roster at a time: give --roster, --roster-sql or --roster-scim, --roster-name where there are more"
        )


@command(
    "import",
    "import declared data",
    Flag(
        "roster",
        "file.csv",
        "people, CSV or Excel: an address or account id and a status; if wanted name, end_date",
        readable_file,
        None,
    ),
    Flag(
        "classification",
        "file.csv",
        "columns target_type, target, classification, sensitivity, owner, if wanted workspace",
        readable_file,
        None,
    ),
    Flag("mfa", "file.csv", "the members export of the Atlassian admin console", readable_file, None),
    Flag("captured-on", "2026-03-31", "the day of the --mfa export, if not today", _past_day, None),
    Flag("roster-sql", "connection", "the roster by a query over this Airflow connection, with --query"),
    Flag("query", "file.sql", "the text of that query", readable_file, None),
    Flag("roster-scim", "connection", "the roster from the SCIM 2.0 directory of this Airflow connection"),
    Flag("mapping", "name", "what the roster's columns and words mean: a preset, or the path of a YAML file"),
    Flag("roster-name", "main", "which roster it is, where there are several, such as contractors"),
    Flag("strict", "1", "refuse the roster if a single row can't be used", switch, False, bare=True),
    Flag("preview", "1", "say what would be taken, and write nothing", switch, False, bare=True),
    Flag("may-shrink", "1", "the roster may name far fewer people than the one before", switch, False, bare=True),
    check=_check,
)
def import_declared(
    roster: Path | None,
    classification: Path | None,
    mfa: Path | None,
    captured_on: date | None,
    roster_sql: str,
    query: Path | None,
    roster_scim: str,
    mapping: str,
    roster_name: str,
    strict: bool,
    preview: bool,
    may_shrink: bool,
) -> None:
    """Import what is given and print lines ``imported:``, ``noted:``, ``unmatched:`` and ``refused:``, or ``preview:``.

    The first refusal of a file ends it.

    Raises:
        CommandError: something was refused; nothing of that file was taken.
        SourceWrong, SourceUnavailable: the roster's query or directory can't be used.
    """
    from bitbucket_compliance.registry import imports
    from bitbucket_compliance.registry.imports.roster_sources import Source

    of_roster: dict[str, Any] = {
        "mapping": mapping,
        "roster_name": roster_name or imports.MAIN,
        "strict": strict,
        "may_shrink": may_shrink,
        "preview": preview,
    }
    with _refusals_printed():
        if roster_sql or roster_scim:
            # The source is asked before a connection to our own database is held open.
            people = Source.of("sql" if roster_sql else "scim", roster_sql or roster_scim, str(query or "")).read()
            with database() as connection:
                print(imports.import_roster(connection, people, imported_by=operator(), **of_roster))
        for kind, path in (("roster", roster), ("classification", classification), ("mfa", mfa)):
            if path:
                day_of_export = captured_on if kind == "mfa" else None
                with database() as connection:
                    taken = imports.import_file(
                        connection,
                        kind,
                        path,
                        imported_by=operator(),
                        captured_on=day_of_export,
                        is_vouched_for=True,
                        **of_roster,
                    )
                    print(taken)


@contextmanager
def _refusals_printed() -> Iterator[None]:
    from bitbucket_compliance.registry.imports import problem_lines

    try:
        yield
    except ImportRefused as refused:
        lines = list(problem_lines(refused))
        print("\n".join(lines))
        raise CommandError(f"import refused, {len(lines)} problems; nothing of that file was taken") from None


@command(
    "unclassify",
    "take a classification entry back",
    Flag("target-type", "repository|project|pattern", "what the entry is about", required=True),
    Flag("target", "name", "slug or uuid, project key, or pattern, as in the entry", required=True),
    Flag("workspace", "slug", "where the entry holds for one workspace alone", workspace, None),
)
def unclassify(target_type: str, target: str, workspace: str | None) -> None:
    """Take the entry back.

    Raises:
        ImportRefused: no such entry is in force.
    """
    from bitbucket_compliance.registry.classification import withdraw

    with database() as connection:
        print(withdraw(connection, target_type, target, workspace=workspace, withdrawn_by=operator()))
