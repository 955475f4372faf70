"""Let time pass: everything that the database or the stand-in holds becomes older; no clock is touched."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

SCHEMAS = ("landing", "staging", "judged", "registry", "integration", "quality", "compliance")
FAR = 100 * 365


def age_database(admin_dsn: str, by: timedelta) -> None:
    """Move every day and every instant that the database holds back.

    Args:
        admin_dsn: for a superuser, who alone may write where rows are only added.
        by: whole days, for there are columns that hold days.
    """
    with psycopg.connect(admin_dsn, row_factory=dict_row) as connection:
        # Neither the triggers of tables that only take new rows nor foreign keys have a say in this.
        connection.execute("SET session_replication_role = replica")
        rows = connection.execute(
            """
            SELECT columns.table_schema, columns.table_name, array_agg(columns.column_name::text) AS names
            FROM information_schema.columns AS columns
            INNER JOIN information_schema.tables AS tables USING (table_schema, table_name)
            WHERE
                columns.table_schema = ANY(%s)
                AND tables.table_type = 'BASE TABLE'
                AND columns.data_type IN ('timestamp with time zone', 'date')
                AND columns.is_generated = 'NEVER'
            GROUP BY columns.table_schema, columns.table_name
            """,
            (list(SCHEMAS),),
        ).fetchall()
        for row in rows:
            table = sql.Identifier(row["table_schema"], row["table_name"])
            # Days are parts of keys: a row must not take the place of one that is still to be moved.
            for days in (by.days + FAR, -FAR):
                moved = sql.SQL(", ").join(
                    sql.SQL("{0} = {0} - make_interval(days => {1})").format(sql.Identifier(name), sql.Literal(days))
                    for name in row["names"]
                )
                connection.execute(sql.SQL("UPDATE {} SET {}").format(table, moved))


def age_objects(held: Any, by: timedelta) -> None:
    """Move every instant back that dataclasses hold, and those within them, each of them once."""
    met: set[int] = set()
    waiting = [held]
    while waiting:
        one = waiting.pop()
        if id(one) in met:
            continue
        met.add(id(one))
        if isinstance(one, list | tuple | set):
            waiting += one
        elif isinstance(one, dict):
            waiting += one.values()
        elif is_dataclass(one) and not isinstance(one, type):
            for field in fields(one):
                value = getattr(one, field.name)
                if isinstance(value, datetime):
                    object.__setattr__(one, field.name, value - by)
                else:
                    waiting.append(value)


def record_anew(admin_dsn: str) -> None:
    """Begin the record with what stands in the recorded tables now: rows that became older are not as they were noted.

    Args:
        admin_dsn: for a superuser, who alone may write to the record.
    """
    with psycopg.connect(admin_dsn, row_factory=dict_row) as connection:
        connection.execute("SET timezone = 'UTC'")
        connection.execute("TRUNCATE integration.record_rows, integration.record_batches, integration.record_links")
        workspaces = {""}
        for row in connection.execute("SELECT * FROM integration.recorded_tables()").fetchall():
            noted = connection.execute(
                sql.SQL(
                    """
                    INSERT INTO integration.record_rows (workspace, batch, relation, row_key, digest)
                    SELECT
                        coalesce(body ->> 'workspace', ''),
                        integration.record_batch(coalesce(body ->> 'workspace', '')),
                        %(relation)s,
                        integration.row_key(body, %(keys)s),
                        integration.row_digest(body, %(left_out)s)
                    FROM (SELECT to_jsonb(one) AS body FROM {} AS one) AS bodies
                    RETURNING workspace
                    """
                ).format(sql.Identifier(*row["relation"].split("."))),
                {"relation": row["relation"], "keys": row["key_columns"], "left_out": row["left_out"]},
            ).fetchall()
            workspaces |= {one["workspace"] for one in noted}
        for workspace in sorted(workspaces):
            connection.execute("SELECT integration.seal_record(%s, null)", (workspace,))
