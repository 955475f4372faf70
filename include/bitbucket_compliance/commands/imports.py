"""``import``: take declared data, a roster, a classification or a two-step verification export, into the registry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bitbucket_compliance.commands.command_line import PROGRAM, CommandError, Commands, day, readable_file, wrong
from bitbucket_compliance.commands.environment import database, operator
from bitbucket_compliance.core.errors import ImportRefused

if TYPE_CHECKING:
    from bitbucket_compliance.registry.imports import File


def register(commands: Commands) -> None:
    """Add the command."""
    command = commands.add(
        "import", import_declared, "import declared data, each file whole or not at all", check=_check
    )
    for kind, text in (
        ("roster", "people: columns email, name, status, end_date, account_id"),
        (
            "classification",
            "columns target_type, target, classification, sensitivity, owner, if wanted workspace",
        ),
        ("mfa", "the members export of the Atlassian admin console"),
    ):
        command.flag(kind, "file.csv", text, is_a=readable_file, default=None)
    command.flag(
        "captured-on",
        "2026-03-31",
        "the day of the --mfa export; today where it is left out",
        is_a=_past_day,
        default=None,
    )
    command.flag("roster-sql", "connection", "the roster by a query over this Airflow connection, with --query")
    command.flag("query", "file.sql", "the text of that query", is_a=readable_file, default=None)
    command.flag("roster-scim", "connection", "the roster from the SCIM 2.0 directory of this Airflow connection")


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
        raise CommandError("there is one roster: give --roster, --roster-sql or --roster-scim, not several")


def import_declared(
    roster: Path | None,
    classification: Path | None,
    mfa: Path | None,
    captured_on: date | None,
    roster_sql: str,
    query: Path | None,
    roster_scim: str,
) -> None:
    """Import what is given and print lines ``imported:``, ``unmatched:`` and ``refused:``; the first refusal ends it.

    Raises:
        CommandError: something was refused; nothing of that file was taken.
        SourceWrong, SourceUnavailable: the roster's query or directory can't be used.
    """
    from bitbucket_compliance.registry import imports

    with _refusals_printed():
        if roster_sql or roster_scim:
            # The source is asked before a connection to our own database is held open.
            elsewhere = _roster(roster_sql, query, roster_scim)
            with database() as connection:
                print(imports.import_roster(connection, elsewhere, imported_by=operator()))
        for kind, path in (("roster", roster), ("classification", classification), ("mfa", mfa)):
            if path:
                day_of_export = captured_on if kind == "mfa" else None
                with database() as connection:
                    print(
                        imports.import_file(connection, kind, path, imported_by=operator(), captured_on=day_of_export)
                    )


@contextmanager
def _refusals_printed() -> Iterator[None]:
    from bitbucket_compliance.registry.imports import problem_lines

    try:
        yield
    except ImportRefused as refused:
        lines = list(problem_lines(refused))
        print("\n".join(lines))
        raise CommandError(f"import refused, {len(lines)} problems; nothing of that file was taken") from None


def _roster(sql: str, query: Path | None, scim: str) -> File:
    from bitbucket_compliance.registry.roster_sources import read_sql

    if query:
        return read_sql(sql, query)
    from bitbucket_compliance.tasks.tasks import _directory

    return _directory(scim)
