"""The body of the task of the DAG registry_import, and what roster_refresh shares with it."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from bitbucket_compliance.core.configured_folders import IMPORT_FOLDERS, file_below
from bitbucket_compliance.core.errors import ImportRefused, SourceWrong
from bitbucket_compliance.registry import imports
from bitbucket_compliance.registry.imports.roster_sources import SOURCE_USAGE, SOURCE_VARIABLE, Source
from bitbucket_compliance.tasks.frame import compliance_postgres, fail_without_retry, triggering_person

log = logging.getLogger(__name__)

MAPPING_VARIABLE = "COMPLIANCE_ROSTER_MAPPING"


def import_from(kind: str, source: str, file: str, captured_on: str, dag_run: Any, **of_roster: Any) -> None:
    """Take declared data from a file, or the roster from its configured source, for whoever triggered the run.

    Its log has lines ``imported:``, or a line ``refused:`` for each bad value.

    Args:
        source: ``file`` or ``configured``.
        file: name below one of the folders of ``COMPLIANCE_IMPORT_FOLDERS``.
        captured_on: of a two-step verification export: ``YYYY-MM-DD``; empty: today.
        dag_run: of the task.
        of_roster: ``mapping``, the name of a preset, or of a YAML file below one of these folders (empty: what
            ``COMPLIANCE_ROSTER_MAPPING`` names, else the default), and ``roster_name``, ``strict``, ``may_shrink`` and
            ``preview`` as ``import_roster`` has them; a preview is of any kind.
    """
    with fail_without_retry():
        person = triggering_person(dag_run)
        if source == "file":
            if not file:
                raise SourceWrong("an import from a file needs file, the name of the CSV below the imports' folder")
            path = file_below(IMPORT_FOLDERS, file)
        elif kind != "roster":
            raise SourceWrong(f"only a roster has a configured source; {kind} comes from a file")
    if source != "file":
        import_configured_roster(person, **of_roster)
    else:
        _import_file(kind, path, person, captured_on, **of_roster)


def configured_rosters() -> list[str]:
    """The names of the rosters that ``COMPLIANCE_ROSTER_SOURCE`` has sources of."""
    with fail_without_retry():
        return list(Source.configured(os.environ.get(SOURCE_VARIABLE, "")))


def import_configured_roster(
    person: str, *, mapping: str = "", roster_name: str = imports.MAIN, **of_roster: Any
) -> None:
    """Take a roster from its source in ``COMPLIANCE_ROSTER_SOURCE``; ``of_roster`` as in ``import_from``."""
    # The source is asked before a connection to our own database is held open.
    with fail_without_retry(), _problems_in_the_log():
        source = _configured(roster_name)
        path = file_below(IMPORT_FOLDERS, source.path) if source.kind == "file" else None
        roster = None if path else source.in_folders().read()
    if path:
        _import_file("roster", path, person, mapping=mapping, roster_name=roster_name, **of_roster)
        return
    assert roster is not None  # noqa: S101 - a source that is no file was read
    with compliance_postgres() as connection, _problems_in_the_log():
        said = imports.import_roster(
            connection,
            roster,
            imported_by=person,
            mapping=_mapping(mapping, roster_name),
            roster_name=roster_name,
            **of_roster,
        )
        _log_lines(said)


def _configured(roster_name: str) -> Source:
    sources = Source.configured(os.environ.get(SOURCE_VARIABLE, ""))
    if not sources:
        raise SourceWrong(f"{SOURCE_VARIABLE} is not set, so the roster has no source: {SOURCE_USAGE}")
    if roster_name.lower() not in sources:
        raise SourceWrong(f"{SOURCE_VARIABLE} names no source of the roster {roster_name}, but of {', '.join(sources)}")
    return sources[roster_name.lower()]


def _mapping(name: str, roster_name: str) -> str:
    """The name of a preset, or the path of a file below the folders of declared files.

    Without a name it is what ``COMPLIANCE_ROSTER_MAPPING`` says: ``workday`` of every roster,
    ``main=workday; contractors=okta`` of each.
    """
    if not name:
        said = [entry.strip() for entry in os.environ.get(MAPPING_VARIABLE, "").split(";") if entry.strip()]
        by_roster = {
            key.strip().lower(): value.strip() for key, mark, value in (e.partition("=") for e in said) if mark
        }
        name = by_roster.get(roster_name.lower(), next((entry for entry in said if "=" not in entry), ""))
    # As whoever reads it tells a path from a preset's name: "x.yaml/." is one too.
    return str(file_below(IMPORT_FOLDERS, name)) if Path(name).suffix in (".yaml", ".yml") else name


def _log_lines(said: imports.ImportResult) -> None:
    for line in said.lines():
        log.info("%s", line)


def _import_file(
    kind: str, path: Path, person: str, captured_on: str = "", *, mapping: str = "", **of_roster: Any
) -> None:
    """Take a file; an export of two-step verification decides nothing before somebody else accepts it."""
    with compliance_postgres() as connection, _problems_in_the_log():
        try:
            day = date.fromisoformat(captured_on) if captured_on else None
        except ValueError as bad:
            raise ImportRefused(f"captured_on {captured_on[:40]!r} is no date; write it as YYYY-MM-DD", []) from bad
        said = imports.import_file(
            connection,
            kind,
            path,
            imported_by=person,
            captured_on=day,
            mapping=_mapping(mapping, of_roster.get("roster_name", imports.MAIN)) if kind == "roster" else "",
            **of_roster,
        )
        _log_lines(said)


@contextmanager
def _problems_in_the_log() -> Iterator[None]:
    """Each row that was refused is a line of the task's log."""
    try:
        yield
    except ImportRefused as refused:
        for line in imports.problem_lines(refused):
            log.error("%s", line)
        raise
