"""Least privilege, by trying: every role on every relation, with every statement that Postgres tells apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from local.postgres import EmbeddedPostgres
from tests.conftest import Database
from tests.contract.privileges import ROLES, SCHEMAS, expected, may_call

STATEMENTS: Mapping[str, str] = {
    "S": "SELECT * FROM {relation} LIMIT 0",
    "I": "INSERT INTO {relation} DEFAULT VALUES",
    "U": "UPDATE {relation} SET {column} = DEFAULT",
    "D": "DELETE FROM {relation}",
    "T": "TRUNCATE {relation}",
}
# A view, or a column of one, that can't be written through is as good as not granted.
IMPOSSIBLE = (
    psycopg.errors.ObjectNotInPrerequisiteState,
    psycopg.errors.WrongObjectType,
    psycopg.errors.FeatureNotSupported,
)


@dataclass(frozen=True)
class Found:
    """A relation of the database, with a column that may be written to."""

    name: str
    is_view: bool
    column: str


def relations(database: Database) -> list[Found]:
    rows = database.execute(
        """
        SELECT
            schemas.nspname || '.' || relations.relname AS name,
            relations.relkind = 'v' AS is_view,
            min(columns.attname) FILTER (WHERE columns.attgenerated = '' AND columns.attidentity = '') AS column
        FROM pg_class AS relations
        INNER JOIN pg_namespace AS schemas ON relations.relnamespace = schemas.oid
        INNER JOIN pg_attribute AS columns ON relations.oid = columns.attrelid AND columns.attnum > 0
        WHERE schemas.nspname = ANY(%s) AND relations.relkind IN ('r', 'v', 'm', 'p') AND NOT columns.attisdropped
        GROUP BY 1, 2
        ORDER BY 1
        """,
        (list(SCHEMAS),),
    ).fetchall()
    return [Found(row["name"], row["is_view"], row["column"]) for row in rows]


@pytest.fixture
def admin(postgres: EmbeddedPostgres, database: Database) -> Iterator[Database]:
    """The administrator, who may step into every role."""
    with psycopg.connect(
        postgres.uri(database.info.dbname, "postgres"), autocommit=True, row_factory=dict_row
    ) as connection:
        yield connection


def tried(connection: Database, role: str, relation: Found) -> str:
    """The letters of the statements that the role may run on the relation; nothing of them stays."""
    names = {
        "relation": sql.Identifier(*relation.name.split(".")),
        "column": sql.Identifier(relation.column),
    }
    connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
    try:
        return "".join(
            letter
            for letter, text in STATEMENTS.items()
            if allowed(connection, sql.SQL(text).format(**names))  # type: ignore[arg-type]
        )
    finally:
        connection.execute("RESET ROLE")


def allowed(connection: Database, statement: sql.Composed) -> bool:
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement)
    except (psycopg.errors.InsufficientPrivilege, *IMPOSSIBLE):
        return False
    except psycopg.Error:
        return True  # it was refused for what it would have written
    return True


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_do_to_each_relation_what_the_table_says_and_nothing_else(admin: Database, role: str) -> None:
    wrong = {}
    for relation in relations(admin):
        wanted = expected(relation.name, is_view=relation.is_view)[role].strip("-")
        found = tried(admin, role, relation)
        if found != wanted:
            wrong[relation.name] = f"may {found or 'nothing'}, should {wanted or 'nothing'}"
    assert wrong == {}


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_call_the_functions_that_the_table_says(admin: Database, role: str) -> None:
    functions = admin.execute(
        """
        SELECT
            functions.oid,
            schemas.nspname || '.' || functions.proname AS name,
            functions.prorettype = 'trigger'::regtype AS is_trigger
        FROM pg_proc AS functions
        INNER JOIN pg_namespace AS schemas ON functions.pronamespace = schemas.oid
        WHERE schemas.nspname = ANY(%s)
        """,
        (list(SCHEMAS),),
    ).fetchall()
    wrong = []
    for one in functions:
        wanted = not one["is_trigger"] and may_call(one["name"])[role] == "x"
        [row] = admin.execute(
            "SELECT has_function_privilege(%s, %s::oid, 'EXECUTE') AS may", (role, one["oid"])
        ).fetchall()
        if row["may"] is not wanted:
            wrong.append(one["name"])
    assert wrong == []


def test_no_role_creates_anything_or_steps_into_another(admin: Database, postgres: EmbeddedPostgres) -> None:
    for role in ROLES:
        admin.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        statements = [f"CREATE TABLE {schema}.mine (a int)" for schema in (*SCHEMAS, "public")]
        if role != "compliance_vault":
            statements.append("CREATE SCHEMA mine")
        assert [text for text in statements if allowed(admin, sql.SQL(text))] == [], role  # type: ignore[arg-type]
        admin.execute("RESET ROLE")
    rows = admin.execute(
        "SELECT one.role, other.role AS other FROM unnest(%(roles)s::text[]) AS one (role)"
        " CROSS JOIN unnest(%(roles)s::text[]) AS other (role)"
        " WHERE one.role <> other.role AND pg_has_role(one.role, other.role, 'MEMBER')",
        {"roles": list(ROLES)},
    ).fetchall()
    assert rows == []


def test_employment_is_hidden_from_everybody_but_the_people_reader_and_the_pipeline(admin: Database) -> None:
    for role in ROLES:
        rows = admin.execute(
            """
            SELECT schemas.nspname || '.' || relations.relname || '.' || columns.attname AS name
            FROM pg_class AS relations
            INNER JOIN pg_namespace AS schemas ON relations.relnamespace = schemas.oid
            INNER JOIN pg_attribute AS columns ON relations.oid = columns.attrelid
            WHERE
                schemas.nspname = ANY(%(schemas)s)
                AND columns.attname IN ('end_date', 'hr_end_date', 'hr_status')
                AND has_column_privilege(%(role)s, relations.oid, columns.attnum, 'SELECT')
            ORDER BY 1
            """,
            {"schemas": list(SCHEMAS), "role": role},
        ).fetchall()
        assert not rows or role in ("compliance_pipeline", "compliance_people_reader"), (role, rows)


def test_nothing_of_our_schemas_is_granted_to_public(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.uri("template_compliance"), autocommit=True, row_factory=dict_row) as connection:
        rows = connection.execute(
            """
            SELECT 'relation: ' || relations.oid::regclass
            FROM pg_class AS relations
            INNER JOIN pg_namespace AS schemas ON relations.relnamespace = schemas.oid
            CROSS JOIN LATERAL aclexplode(relations.relacl) AS acl
            WHERE acl.grantee = 0 AND schemas.nspname = ANY(%(schemas)s)
            UNION ALL
            SELECT 'column of: ' || relations.oid::regclass
            FROM pg_attribute AS columns
            INNER JOIN pg_class AS relations ON columns.attrelid = relations.oid
            INNER JOIN pg_namespace AS schemas ON relations.relnamespace = schemas.oid
            CROSS JOIN LATERAL aclexplode(columns.attacl) AS acl
            WHERE acl.grantee = 0 AND schemas.nspname = ANY(%(schemas)s)
            UNION ALL
            SELECT 'function: ' || functions.oid::regprocedure
            FROM pg_proc AS functions
            INNER JOIN pg_namespace AS schemas ON functions.pronamespace = schemas.oid
            CROSS JOIN LATERAL aclexplode(coalesce(functions.proacl, acldefault('f', functions.proowner))) AS acl
            WHERE acl.grantee = 0 AND schemas.nspname = ANY(%(schemas)s)
            UNION ALL
            SELECT 'schema: ' || schemas.nspname
            FROM pg_namespace AS schemas
            CROSS JOIN LATERAL aclexplode(schemas.nspacl) AS acl
            WHERE acl.grantee = 0 AND schemas.nspname = ANY(%(schemas)s)
            """,
            {"schemas": list(SCHEMAS)},
        ).fetchall()
    assert rows == []


def test_a_function_that_a_later_migration_makes_is_nobodys_until_it_is_granted(admin: Database) -> None:
    admin.execute("SET ROLE compliance_owner")
    with admin.transaction(force_rollback=True):
        admin.execute("CREATE FUNCTION compliance.later() RETURNS int LANGUAGE sql RETURN 1")
        rows: list[Any] = [
            admin.execute(
                "SELECT has_function_privilege(%s, 'compliance.later()', 'EXECUTE') AS may", (role,)
            ).fetchone()
            for role in ROLES
        ]
    assert [row["may"] for row in rows] == [False] * len(ROLES)
