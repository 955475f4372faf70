"""Looks for secrets in everything that a run wrote: files, SQLite, Postgres."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

#: how a secret may look when it got somewhere, from the secret itself
FORMS = (
    lambda secret: secret,
    lambda secret: quote(secret, safe=""),
    lambda secret: base64.b64encode(secret.encode()).decode().rstrip("="),
    lambda secret: secret.encode().hex(),
)


def postgres_as_text(dsn: str) -> str:
    """Every row of every table, one a line; views show nothing else."""
    lines: list[str] = []
    with psycopg.connect(dsn) as connection:
        tables = connection.execute(
            "SELECT schemaname, tablename, tableowner = 'compliance_vault' FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2"
        ).fetchall()
        for schema, table, is_of_the_vault in tables:
            role = sql.Identifier("compliance_vault") if is_of_the_vault else sql.SQL("NONE")
            connection.execute(sql.SQL("SET ROLE {}").format(role))
            rows = connection.execute(sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(schema, table)))
            lines += [f"{schema}.{table}: {row[0]}" for row in rows]
    return "\n".join(lines)


def sqlite_as_text(path: Path) -> str:
    """Every row of every table of an SQLite file, one a line."""
    lines: list[str] = []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        for (table,) in tables:
            for row in connection.execute(f'SELECT * FROM "{table}"'):  # noqa: S608  # names of its own
                values = (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in row)
                lines.append(f"{table}: {' | '.join(values)}")
    return "\n".join(lines)


def files_as_text(*folders: Path) -> dict[str, str]:
    """Name and content of every file below some folders; what is no text as far as it is."""
    return {
        str(path): path.read_bytes().decode("utf-8", "replace")
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def leaks(places: Mapping[str, str], secrets: Mapping[str, str]) -> list[str]:
    """Which secret (by what it is) stands where, in any of its forms."""
    return [
        f"{what} in {where}"
        for what, secret in secrets.items()
        for where, text in places.items()
        if stands_in(secret, text)
    ]


def stands_in(secret: str, text: str) -> bool:
    """Whether a secret stands in a text, as it is or encoded."""
    return any(form(secret) in text for form in FORMS)
