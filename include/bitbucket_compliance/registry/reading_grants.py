"""Which logins read which workspaces, and of which period. Grants are added and ended, never changed."""

from datetime import date
from typing import Any

from bitbucket_compliance.core.audit import record
from bitbucket_compliance.core.database import Connection, one_row
from bitbucket_compliance.registry import persons

#: the roles that read what is granted to a login, and nothing else
ROLES = ("compliance_auditor", "compliance_limited_reader")


def grant(
    connection: Connection, login: str, workspace: str, first_day: date | None, last_day: date | None, granted_by: str
) -> None:
    """Let a login read a workspace; days in UTC, None: without an end on that side. Joins the transaction."""
    persons.note(connection, granted_by)
    connection.execute(
        "INSERT INTO registry.reading_grants (login, workspace, first_day, last_day, granted_by)"
        " VALUES (%s, %s, %s, %s, %s)",
        (login, workspace, first_day, last_day, granted_by),
    )
    given = {"workspace": workspace, "first_day": first_day, "last_day": last_day}
    record(connection, granted_by, "reading.granted", login, None, given)


def revoke(connection: Connection, login: str, workspace: str, ended_by: str) -> int:
    """End all that a login may read of a workspace; how many grants that were. Joins the transaction."""
    persons.note(connection, ended_by)
    ended = connection.execute(
        "INSERT INTO registry.reading_grant_endings (grant_id, ended_by) SELECT grant_id, %s"
        " FROM registry.reading_grants_in_force WHERE login = %s AND workspace = %s",
        (ended_by, login, workspace),
    ).rowcount
    if ended:
        record(connection, ended_by, "reading.revoked", login, {"workspace": workspace}, None)
    return ended


def in_force(connection: Connection) -> list[dict[str, Any]]:
    """What each login may read, the newest last."""
    return connection.execute(
        "SELECT held.login, held.workspace, coalesce(held.first_day::text, 'the beginning') AS first_day,"
        " coalesce(held.last_day::text, 'any day') AS last_day, grants.granted_by::text, grants.granted_at"
        " FROM registry.reading_grants_in_force AS held"
        " INNER JOIN registry.reading_grants AS grants ON held.grant_id = grants.grant_id ORDER BY held.grant_id"
    ).fetchall()


def is_known(connection: Connection, workspace: str) -> bool:
    """Whether a run of the workspace is known."""
    found = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM integration.runs WHERE workspace = %s) AS is_known", (workspace,)
    )
    return bool(one_row(found)["is_known"])


def has_role(connection: Connection, login: str) -> bool:
    """Whether the login is there and holds one of the roles that read what is granted."""
    found = connection.execute(
        "SELECT coalesce(bool_or(pg_has_role(logins.oid, readers.oid, 'USAGE')), false) AS has_role"
        " FROM pg_roles AS logins CROSS JOIN pg_roles AS readers"
        " WHERE logins.rolname = %s AND readers.rolname = ANY(%s)",
        (login, list(ROLES)),
    )
    return bool(one_row(found)["has_role"])
