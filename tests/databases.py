"""Databases that live as long as a test, or a few: copies of a migrated one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from local.postgres import DEFAULT_ROLE, EmbeddedPostgres
from local.postgres_cluster import ADMIN_ROLE
from tests.sessions import KEPT

TEMPLATE = "template_compliance"


@contextmanager
def copied(postgres: EmbeddedPostgres, name: str, template: str = TEMPLATE) -> Iterator[str]:
    """The address of a copy of ``template`` that is called ``name`` and dropped at the end."""
    create(postgres, name, template)
    try:
        yield postgres.uri(name)
    finally:
        drop(postgres, name)


@contextmanager
def unguarded(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """As an administrator may: rows that are records can be rewritten meanwhile. Commits at the end."""
    guards = """
        SELECT format('ALTER TABLE %%s %%s TRIGGER USER', triggers.tgrelid::regclass, %s) AS statement
        FROM pg_trigger AS triggers
        INNER JOIN pg_proc AS functions ON triggers.tgfoid = functions.oid
        WHERE functions.proname IN ('refuse_change', 'keep_history', 'keep_findings')
        GROUP BY triggers.tgrelid
    """
    for word in ("DISABLE", "ENABLE"):
        rows = psycopg.ClientCursor(connection, row_factory=tuple_row).execute(guards, [word]).fetchall()
        for (statement,) in rows:
            connection.execute(statement)
        if word == "DISABLE":
            yield
    if not connection.autocommit:
        connection.commit()


def create(postgres: EmbeddedPostgres, name: str, template: str = TEMPLATE) -> None:
    """Make a copy, file by file: that takes a fraction of the time of logging every page, Postgres' default."""
    KEPT.end(template)  # nobody may be in there meanwhile
    _administer(
        postgres,
        sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {} STRATEGY file_copy").format(
            *map(sql.Identifier, (name, template, DEFAULT_ROLE))
        ),
        # A copy has no grants on the database itself: those that an upgrade makes.
        sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)),
        sql.SQL("GRANT TEMPORARY ON DATABASE {} TO compliance_pipeline").format(sql.Identifier(name)),
    )


def drop(postgres: EmbeddedPostgres, name: str) -> None:
    """Drop a database, whoever still is in there."""
    KEPT.end(name)
    _administer(postgres, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _administer(postgres: EmbeddedPostgres, *statements: sql.Composed) -> None:
    with psycopg.connect(postgres.uri("postgres", ADMIN_ROLE), autocommit=True) as admin:
        for statement in statements:
            admin.execute(statement)
