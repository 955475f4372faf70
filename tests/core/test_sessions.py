"""Sessions that tests hand on are as good as new, so that a run over them shows what one over new ones would."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from bitbucket_compliance.core.database import Connection, connect
from tests.conftest import Database
from tests.sessions import handed_on

_STATE = """
SELECT
    pg_backend_pid() AS pid,
    session_user = current_user AS in_no_role,
    current_setting('application_name') AS name,
    current_setting('statement_timeout') AS timeout,
    (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory') AS locks,
    (SELECT count(*) FROM pg_prepared_statements) AS prepared,
    to_regclass('pg_temp.left_over') AS left_over
"""


def state(connection: Connection) -> dict[str, Any]:
    """What a session may carry over to the next one."""
    row = connection.execute(_STATE).fetchone()
    assert row is not None
    return row


def test_a_session_that_is_handed_on_carries_nothing_over(dsn: str) -> None:
    with handed_on():
        with closing(connect()) as first:
            before = state(first)
            first.execute("CREATE TEMPORARY TABLE left_over (id integer)")
            first.execute("SET statement_timeout = '7min'")
            first.execute("SELECT pg_advisory_lock(1)")
            first.execute("PREPARE known AS SELECT 1")
            first.execute("INSERT INTO registry.policy_versions (policy_version, body) VALUES ('never', '{}')")
        with closing(connect()) as second:
            assert state(second) == before
            assert second.execute("SELECT 1 FROM registry.policy_versions").fetchall() == []


def test_a_session_that_ended_is_not_handed_on(dsn: str, database: Database) -> None:
    with handed_on():
        with closing(connect()) as first:
            pid = state(first)["pid"]
        database.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
        with closing(connect()) as second:
            assert state(second)["pid"] != pid


def test_sessions_end_with_what_handed_them_on(dsn: str, database: Database) -> None:
    with handed_on(), closing(connect()) as first:
        pid = state(first)["pid"]
    with closing(connect()) as second:
        assert state(second)["pid"] != pid
