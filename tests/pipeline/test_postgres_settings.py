"""Whatever a server, a database, a login or a pooler sets: sessions set what they need, no transaction stays open."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from bitbucket_compliance.__main__ import main as operate
from bitbucket_compliance.core import lock_waits
from bitbucket_compliance.core.database import Connection, connect
from bitbucket_compliance.core.errors import (
    PipelineError,
    PostgresBusy,
    PostgresRefused,
    PostgresUnavailable,
    postgres_errors,
)
from bitbucket_compliance.pipeline.gate.validation import validate
from bitbucket_compliance.pipeline.run.task_frame import task_frame
from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from local.postgres import EmbeddedPostgres
from local.postgres_cluster import ADMIN_ROLE
from sandbox.process import SandboxServer
from tests.harness import Pipeline, bitbucket_connection
from tests.pipeline.small import ACME, FAST, extract, small_state, start, statuses, whole_run, write_csv

pytestmark = pytest.mark.filterwarnings("ignore:You are using a generic SQLDatasource")

ODD = {
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Kathmandu",
    "client_encoding": "LATIN1",
    "default_transaction_isolation": "serializable",
}


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    """A sandbox with two healthy repositories, one of them with a name that Latin-1 can't hold."""
    state = small_state(2)
    state.repository("repo-1").name = "Příklad 例"
    with SandboxServer(state) as started:
        yield started


def set_for_database(postgres: EmbeddedPostgres, pipeline: Pipeline, settings: dict[str, str]) -> None:
    """Every new session of the database begins with these settings."""
    name = conninfo_to_dict(pipeline.dsn)["dbname"]
    with psycopg.connect(postgres.uri("postgres", ADMIN_ROLE), autocommit=True) as admin:
        for key, value in settings.items():
            admin.execute(
                sql.SQL("ALTER DATABASE {} SET {} TO {}").format(
                    sql.Identifier(str(name)),
                    sql.Identifier(key),
                    sql.SQL("DEFAULT") if value == "DEFAULT" else sql.Literal(value),
                )
            )


def take_roster(pipeline: Pipeline, folder: Path) -> None:
    rows = [
        (f"person-{n}@example.com", f"Person {n}", "terminated" if n == 3 else "active", "2026-02-01", "")
        for n in range(4)
    ]
    pipeline.take("roster", write_csv(folder / "roster.csv", "email,name,status,end_date,account_id", rows))


def assert_right(pipeline: Pipeline) -> None:
    assert statuses(pipeline, "repo-0")["peer_review_required"] == "passing"
    assert statuses(pipeline, "Person 3")["offboarded_access_removed"] == "failing"
    assert statuses(pipeline, "Person 0")["offboarded_access_removed"] == "passing"


def test_a_whole_run_needs_no_setting_of_the_database(
    postgres: EmbeddedPostgres, pipeline: Pipeline, server: SandboxServer, tmp_path: Path
) -> None:
    set_for_database(postgres, pipeline, ODD)
    take_roster(pipeline, tmp_path)
    pipeline.run(server, ACME, gates=True)
    with connect() as connection:
        [name] = connection.execute("SELECT name FROM compliance.repositories WHERE slug = 'repo-1'").fetchall()
        assert name["name"] == "Příklad 例"
        assert connection.execute("SELECT interval '1 day' AS day").fetchall()[0]["day"].days == 1
    # The test's own sessions set nothing.
    set_for_database(postgres, pipeline, dict.fromkeys(ODD, "DEFAULT"))
    assert_right(pipeline)


def test_no_transaction_is_open_while_bitbucket_is_waited_for(
    postgres: EmbeddedPostgres, pipeline: Pipeline, server: SandboxServer, tmp_path: Path
) -> None:
    """A server ends transactions that idle for a second; each of Bitbucket's answers takes longer."""
    take_roster(pipeline, tmp_path)
    set_for_database(postgres, pipeline, {"idle_in_transaction_session_timeout": "1s"})
    server.state.latency_ms = 1200
    whole_run(pipeline, server)
    assert_right(pipeline)


@pytest.fixture
def pool_mode() -> str:
    """How long PgBouncer lends a session."""
    return "session"


@pytest.fixture
def pooler(postgres: EmbeddedPostgres, tmp_path: Path, pool_mode: str) -> Iterator[int]:
    """The port of a PgBouncer before the server, with the settings that it is delivered with."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("PgBouncer is not installed (Debian's package pgbouncer)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    folder = tmp_path / "pooler"
    folder.mkdir()
    address = conninfo_to_dict(postgres.uri())
    users = folder / "users.txt"
    users.write_text(f'"{address["user"]}" "{address["password"]}"\n')
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\n* = host={address['host']} port={address['port']}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = plain\nauth_file = {users}\npool_mode = {pool_mode}\n"
    )
    account = _other_account(folder, users, settings)
    process = subprocess.Popen(
        [program, str(settings)], user=account, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        _wait_for(port, process)
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=10)


def _other_account(*paths: Path) -> int | None:
    """It does not run as root; None: as whoever we are."""
    if os.getuid():
        return None
    nobody = pwd.getpwnam("nobody")
    for path in paths:
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
        for above in path.parents:
            if above.stat().st_uid == 0 and above.is_relative_to(paths[0].parents[3]):
                above.chmod(above.stat().st_mode | 0o011)
    return nobody.pw_uid


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(process.communicate()[1].decode())
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("PgBouncer does not listen")


@pytest.fixture
def behind(pooler: int, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> str:
    """The database through the pooler, named by ``compliance_postgres``."""
    address = conninfo_to_dict(pipeline.dsn)
    behind = f"postgresql://{address['user']}:{address['password']}@127.0.0.1:{pooler}/{address['dbname']}"
    monkeypatch.setenv("AIRFLOW_CONN_COMPLIANCE_POSTGRES", behind)
    return behind


@pytest.mark.parametrize("pool_mode", ["transaction"])
def test_a_pooler_in_transaction_mode_is_refused_before_anything_is_read(
    behind: str, pipeline: Pipeline, server: SandboxServer, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline.connect_to(server, "admin", **FAST)
    run_id = start(ACME)
    with pytest.raises(AirflowFailException, match="a pooler in transaction mode stands before the server"):
        tasks.preflight(ACME, run_id)
    assert pipeline.query("SELECT 1 FROM landing.calls") == []
    assert operate(["preflight"]) == 1
    assert "error: compliance_postgres: a pooler in transaction mode" in capsys.readouterr().out


def test_a_whole_run_works_behind_a_pooler(
    behind: str, pipeline: Pipeline, server: SandboxServer, tmp_path: Path
) -> None:
    take_roster(pipeline, tmp_path)
    pipeline.run(server, ACME, gates=True)
    assert_right(pipeline)


def test_no_session_is_given_startup_options(
    pipeline: Pipeline, server: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where no PgBouncer is installed: it refuses them."""
    asked: list[str] = []
    opened = psycopg.Connection.connect.__func__  # type: ignore[attr-defined]

    def noted(cls: type[psycopg.Connection], conninfo: str = "", **arguments: object) -> object:
        asked.append(f"{conninfo} {arguments}")
        return opened(cls, conninfo, **arguments)

    monkeypatch.setattr(psycopg.Connection, "connect", classmethod(noted))
    monkeypatch.setattr(psycopg, "connect", psycopg.Connection.connect)
    pipeline.connect_to(server, "admin", **FAST)
    run_id = extract()
    tasks.gate(ACME, run_id, "staging")
    pipeline.release(ACME)
    assert len(asked) > 3 and [one for one in asked if "options" in one] == []


def limits(connection: Connection) -> dict[str, str]:
    """What the session is limited to, as the server shows it."""
    names = (
        "lock_timeout, idle_in_transaction_session_timeout, tcp_user_timeout, tcp_keepalives_idle,"
        " tcp_keepalives_interval, tcp_keepalives_count, application_name"
    )
    return {name.strip(): connection.execute(f"SHOW {name}").fetchall()[0][name.strip()] for name in names.split(",")}


def test_a_session_waits_for_no_lock_for_long_and_keeps_none_when_its_process_hangs_or_vanishes(dsn: str) -> None:
    with connect() as connection:
        assert limits(connection) == {
            "lock_timeout": "45s",
            "idle_in_transaction_session_timeout": "2min",
            "tcp_user_timeout": "60000",
            "tcp_keepalives_idle": "30",
            "tcp_keepalives_interval": "10",
            "tcp_keepalives_count": "3",
            "application_name": "bitbucket_compliance",
        }
        ours = socket.socket(fileno=os.dup(connection.fileno()))
    with ours:
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000


def test_what_the_server_or_the_connection_limits_further_stays(
    postgres: EmbeddedPostgres, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_for_database(postgres, pipeline, {"lock_timeout": "3s", "idle_in_transaction_session_timeout": "1h"})
    monkeypatch.setenv("AIRFLOW_CONN_COMPLIANCE_POSTGRES", f"{pipeline.dsn}?keepalives_idle=7&application_name=mine")
    with connect() as connection:
        found = limits(connection)
        assert (found["lock_timeout"], found["idle_in_transaction_session_timeout"]) == ("3s", "2min")
        assert found["application_name"] == "mine"
        with socket.socket(fileno=os.dup(connection.fileno())) as ours:
            assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 7


def test_a_step_that_is_kept_from_a_lock_can_be_tried_again_and_names_who_has_it(
    postgres: EmbeddedPostgres, pipeline: Pipeline, server: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_for_database(postgres, pipeline, {"lock_timeout": "3s"})
    monkeypatch.setattr(lock_waits, "LOOK_SECONDS", 0.5)
    pipeline.connect_to(server, "admin", **FAST)
    run_id = extract()
    pipeline.judge(run_id, ACME)
    named = f"{pipeline.dsn}?application_name=payroll"
    with psycopg.connect(named) as other:
        other.execute("LOCK TABLE compliance.results IN SHARE MODE")
        with pytest.raises(PostgresBusy) as told:
            tasks.publish(ACME, run_id)
        pid = other.info.backend_pid
    assert told.value.retryable and "\n" not in str(told.value)
    assert f"it is held by session {pid} (payroll) of login" in str(told.value)
    assert "idle in transaction since" in str(told.value)
    [row] = pipeline.query("SELECT error FROM compliance.runs")
    assert row["error"] == f"publish: {told.value}"
    tasks.publish(ACME, run_id)
    pipeline.release(ACME)
    assert statuses(pipeline, "repo-0")["peer_review_required"] == "passing"


def test_a_session_is_called_by_what_it_does(pipeline: Pipeline, server: SandboxServer) -> None:
    pipeline.connect_to(server, "admin", **FAST)
    tasks.start_run(ACME, "named", False)
    with task_frame("stage", ACME, "named"):
        names = pipeline.query(
            "SELECT application_name FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'compliance:%%'"
        )
    assert [row["application_name"] for row in names] == [f"compliance: stage of {ACME}"]


@pytest.mark.parametrize(
    ("settings", "statement", "expected", "says"),
    [
        (
            "SET idle_in_transaction_session_timeout TO 50",
            "BEGIN",
            PostgresUnavailable,
            "this process was silent for too long",
        ),
        (
            "SET default_transaction_read_only TO on",
            "CREATE TEMPORARY TABLE anything (at integer); DELETE FROM staging.members",
            PostgresRefused,
            "give the address of the primary",
        ),
    ],
)
def test_what_a_server_does_is_told_in_a_sentence(
    dsn: str, settings: LiteralString, statement: LiteralString, expected: type[PipelineError], says: str
) -> None:
    with pytest.raises(expected, match=says) as told, postgres_errors(), psycopg.connect(dsn, autocommit=True) as one:
        one.execute(settings)
        one.execute(statement)
        time.sleep(0.3)
        one.execute("SELECT 1")
    assert str(told.value).startswith("compliance_postgres: ") and "\n" not in str(told.value)


def test_a_gate_that_can_not_connect_says_so_in_a_sentence(
    pipeline: Pipeline, server: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BITBUCKET_DEFAULT", json.dumps(bitbucket_connection(server.url)))
    tasks.start_run(ACME, "gate-alone", False)
    with (
        pytest.raises(PostgresUnavailable, match="the server does not answer") as told,
        task_frame("gate", ACME, "gate-alone") as (_, run),
    ):
        monkeypatch.setenv("AIRFLOW_CONN_COMPLIANCE_POSTGRES", "postgresql://nobody:secret@127.0.0.1:1/none")
        validate(run, [])
    assert "\n" not in str(told.value) and "secret" not in str(told.value)
