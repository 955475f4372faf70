"""Locks that several rooms take: they queue up in Postgres and let go when the transaction ends."""

from datetime import datetime

from bitbucket_compliance.core.database import Connection, one_row, run_sql


def lock_results(connection: Connection, workspace: str) -> datetime:
    """Keep out every other writer of the workspace's published results until the transaction ends.

    Whoever accepts an exception takes the lock as well, so that no publication comes between what is seen and what is
    accepted.

    Returns:
        The instant that everything written under the lock has to bear (aware).
    """
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('compliance results ' || %s, 0))", (workspace,))
    found = run_sql(connection, "core/next_instant.sql", {"workspace": workspace})
    instant: datetime = one_row(found)["published_at"]
    return instant
