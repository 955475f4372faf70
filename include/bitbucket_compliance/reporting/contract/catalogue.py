"""What is published, as the database's own catalogue tells it: relations, columns, comments, keys, functions."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
from psycopg.rows import dict_row

from bitbucket_compliance.core.database import run_sql
from bitbucket_compliance.reporting.contract.keys import VIEW_KEYS

SCHEMA = "compliance"
READERS = ("compliance_reader", "compliance_people_reader")


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        type: as Postgres writes it.
        required: never null.
        key: its place in the relation's key, from 1; 0: not in it.
    """

    name: str
    type: str
    description: str
    required: bool
    key: int


@dataclass(frozen=True)
class Relation:
    """One table or view, with the reading roles that may select from it."""

    name: str
    kind: str
    description: str
    readers: tuple[str, ...]
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Function:
    """One function, with the reading roles that may call it."""

    name: str
    arguments: str
    returns: str
    description: str
    readers: tuple[str, ...]


@dataclass(frozen=True)
class Published:
    """All that readers may see."""

    relations: tuple[Relation, ...]
    functions: tuple[Function, ...]

    @property
    def digest(self) -> str:
        """SHA-256 that changes exactly when something here does."""
        canonical = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def read_published(connection: psycopg.Connection[dict[str, Any]]) -> Published:
    """The catalogue of a migrated database; its rows are dictionaries."""
    values = {"schema": SCHEMA, "readers": list(READERS)}
    relations: dict[str, dict[str, Any]] = {}
    for row in run_sql(connection, "reporting/contract/columns.sql", values):
        relation = relations.setdefault(
            row["relation"],
            {
                "name": row["relation"],
                "kind": row["kind"],
                "description": row["relation_description"],
                "readers": tuple(row["readers"]),
                "columns": [],
            },
        )
        relation["columns"].append(_column(row))
    functions = tuple(
        Function(row["name"], row["arguments"], row["returns"], row["description"], tuple(row["readers"]))
        for row in run_sql(connection, "reporting/contract/functions.sql", values)
    )
    return Published(
        tuple(Relation(**{**relation, "columns": tuple(relation["columns"])}) for relation in relations.values()),
        functions,
    )


def _column(row: Mapping[str, Any]) -> Column:
    key = VIEW_KEYS.get(row["relation"], ())
    place = key.index(row["name"]) + 1 if row["name"] in key else row["key"]
    # Postgres does not know that a view's key is never null.
    return Column(row["name"], row["type"], row["description"], row["required"] or place > 0, place)


@contextmanager
def fresh_database() -> Iterator[str]:
    """Address of a migrated database in an embedded Postgres that ends with the context."""
    from bitbucket_compliance.database.migrate import upgrade
    from local.postgres import EmbeddedPostgres

    with TemporaryDirectory() as folder:
        postgres = EmbeddedPostgres(Path(folder) / "data")
        try:
            postgres.start()
            upgrade(postgres.uri())
            yield postgres.uri()
        finally:
            postgres.delete()


def published_now() -> Published:
    """What the migrations of this checkout publish."""
    with fresh_database() as dsn, psycopg.connect(dsn, row_factory=dict_row) as connection:
        return read_published(connection)
