"""What is published, as the database's own catalogue tells it: relations, columns, comments, keys, functions."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from bitbucket_compliance.core.database import Connection, run_sql
from tests.documents.contract.keys import VIEW_KEYS

HERE = Path(__file__).resolve().parent
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


def read_published(connection: Connection, *readers: str) -> Published:
    """The catalogue of a migrated database, whose rows are dictionaries, for these reading roles; else for all."""
    values = {"schema": SCHEMA, "readers": list(readers or READERS)}
    relations: dict[str, dict[str, Any]] = {}
    for row in run_sql(connection, HERE / "columns.sql", values):
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
        for row in run_sql(connection, HERE / "functions.sql", values)
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


def published_at(dsn: str, *readers: str) -> Published:
    """What the migrated database at ``dsn`` (a ``postgresql://`` URL) publishes for these roles; for all by default."""
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        return read_published(connection, *readers)
