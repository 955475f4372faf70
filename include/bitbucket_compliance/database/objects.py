"""Views and functions: one file each, named after it, made anew whenever one of the files has changed.

A file says what the thing is for, creates it and grants it; that of a trigger's function creates its triggers too. What
it says is the comment in the database, unless the file has another one. What is made in the schemas that are the
pipeline's own is granted to it by default. Files need no order: one that needs another is tried again after it. Nothing
of a table may call a function except through a trigger, since functions are dropped before they are made anew.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg

from bitbucket_compliance.core.errors import MigrationRefused, one_line

Cursor = psycopg.Cursor[Any]

_DROPPABLE = Path(__file__).with_name("droppable.sql")
_PURPOSE = re.compile(r"-- Purpose: (.+(?:\n-- .+)*)")
_CREATED = re.compile(r"^CREATE (VIEW|FUNCTION) ([\w.]+)", re.MULTILINE)


class ObjectFiles:
    """The files ``functions/<schema>/<name>.sql`` and ``views/<schema>/<name>.sql`` below a folder."""

    def __init__(self, folder: Path):
        paths = sorted([*folder.glob("functions/*/*.sql"), *folder.glob("views/*/*.sql")])
        self.texts = {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in paths}

    @property
    def digest(self) -> str:
        """SHA-256 over names and contents."""
        return hashlib.sha256(repr(sorted(self.texts.items())).encode()).hexdigest()

    def are_current(self, cursor: Cursor) -> bool:
        """Whether the views and functions of the database were made from these very files."""
        cursor.execute("SELECT digest FROM integration.schema_objects")
        return cursor.fetchall() == [(self.digest,)]

    def create_all(self, cursor: Cursor) -> None:
        """Run every file; one that needs another is tried again after it.

        Raises:
            MigrationRefused: Postgres refuses one; it is named, with what Postgres says.
        """
        failed = _run_all(cursor, {file: text + _comment(text) for file, text in self.texts.items()})
        if failed:
            file, error = _at_fault(failed)
            raise MigrationRefused(
                f"compliance_postgres: {file} cannot be run ({one_line(error)}); nothing was changed: correct the file"
            ) from error
        cursor.execute("DELETE FROM integration.schema_objects")
        cursor.execute("INSERT INTO integration.schema_objects (digest) VALUES (%s)", (self.digest,))


def drop_all(cursor: Cursor) -> None:
    """Drop the pipeline's views and functions, and the triggers that call one; never anything of somebody else.

    Raises:
        MigrationRefused: something else depends on one of them; both are named.
    """
    cursor.execute(_DROPPABLE.read_text(encoding="utf-8"))
    failed = _run_all(cursor, {statement: statement for (statement,) in cursor.fetchall()})
    if failed:
        # What stays for the sake of another one of them depends on more.
        reasons = [error.diag.message_detail or one_line(error) for error in failed.values()]
        raise MigrationRefused(
            f"compliance_postgres: {'; '.join(min(reasons, key=len).splitlines())}, which an upgrade makes anew; "
            "nothing was changed: drop what depends on it, upgrade, and make it again"
        ) from next(iter(failed.values()))


def _comment(text: str) -> str:
    """The statement that comments on what a file creates; nothing where the file itself has one."""
    purpose, created = _PURPOSE.match(text), _CREATED.search(text)
    if not purpose or not created or f"COMMENT ON {created[1]} {created[2]}" in text:
        return ""
    words = purpose[1].replace("\n-- ", " ").replace("'", "''")
    return f"COMMENT ON {created[1]} {created[2]} IS '{words[0].upper()}{words[1:]}';"


def _run_all(cursor: Cursor, statements: Mapping[str, str]) -> dict[str, psycopg.Error]:
    """Execute each; what is refused is tried again after the others. Returns those that Postgres refuses for good."""
    while statements:
        failed: dict[str, psycopg.Error] = {}
        for name, statement in statements.items():
            try:
                with cursor.connection.transaction():
                    cursor.execute(statement)
            except (psycopg.ProgrammingError, psycopg.InternalError, psycopg.DataError) as error:
                failed[name] = error
        if len(failed) == len(statements):
            return failed
        statements = {name: statements[name] for name in failed}
    return {}


def _at_fault(failed: Mapping[str, psycopg.Error]) -> tuple[str, psycopg.Error]:
    """The file whose refusal names none of the others: they wait for it."""
    for file, error in failed.items():
        if not any(_qualified(other) in one_line(error) for other in failed if other != file):
            return file, error
    return next(iter(failed.items()))


def _qualified(file: str) -> str:
    """``views/compliance/findings.sql`` is ``compliance.findings``."""
    _, schema, name = file.removesuffix(".sql").split("/")
    return f"{schema}.{name}"
