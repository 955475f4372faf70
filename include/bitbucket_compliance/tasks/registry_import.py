"""The body of the task of the DAG registry_import, and what roster_refresh shares with it."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from bitbucket_compliance.core.errors import ImportRefused, SourceWrong
from bitbucket_compliance.registry import imports
from bitbucket_compliance.registry.imports.roster_sources import Source
from bitbucket_compliance.tasks.frame import compliance_postgres, fail_without_retry

log = logging.getLogger(__name__)


def import_from(kind: str, source: str, origin: Mapping[str, str], captured_on: str, imported_by: str) -> None:
    """Take declared data from a file (``source`` file), or the roster from a query (sql) or a directory (scim).

    Args:
        origin: ``path`` of the file, or ``conn_id`` and, for sql, ``query_file``; empty where they don't apply.
    """
    if source == "file" and origin["path"]:
        import_declared(kind, origin["path"], captured_on or None, imported_by)
        return
    with fail_without_retry():
        if source == "file":
            raise SourceWrong("an import from a file needs path, the path of the CSV")
        if kind != "roster":
            raise SourceWrong(f"only a roster comes from {source}; {kind} comes from a file")
        named = Source.of(source, origin["conn_id"], origin["query_file"])
    import_roster(named, imported_by)


def import_declared(kind: str, path: str, captured_on: str | None, imported_by: str) -> None:
    """Take one declared CSV file; its log has lines ``imported:`` and ``unmatched:``, or a ``refused:`` a bad value."""
    with compliance_postgres() as connection, _problems_in_the_log():
        try:
            day = date.fromisoformat(captured_on) if captured_on else None
        except ValueError as bad:
            raise ImportRefused(f"captured_on {captured_on!r} is no date; write it as YYYY-MM-DD", []) from bad
        taken = imports.import_file(connection, kind, Path(path), imported_by=imported_by, captured_on=day)
        for line in taken.splitlines():
            log.info("%s", line)


def import_roster(source: Source, imported_by: str) -> None:
    """Take the roster from a query over a SQL connection, or from a SCIM directory."""
    # The source is asked before a connection to our own database is held open.
    with fail_without_retry(), _problems_in_the_log():
        roster = source.read()
    with compliance_postgres() as connection, _problems_in_the_log():
        log.info("%s", imports.import_roster(connection, roster, imported_by=imported_by))


@contextmanager
def _problems_in_the_log() -> Iterator[None]:
    """Each row that was refused is a line of the task's log."""
    try:
        yield
    except ImportRefused as refused:
        for line in imports.problem_lines(refused):
            log.error("%s", line)
        raise
