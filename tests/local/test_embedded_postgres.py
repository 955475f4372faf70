"""The embedded Postgres: what it keeps, what it survives, whom it lets in."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from local.environment import ROOT
from local.postgres import EmbeddedPostgres, PostgresNotStarted

pytestmark = pytest.mark.slow


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server below a path with spaces and quotes, removed at the end."""
    server = EmbeddedPostgres(tmp_path / "it's a folder" / "post gres")
    yield server
    server.delete()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A running server for tests that only look."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("running") / "postgres")
    server.start()
    yield server
    server.delete()


def _value(server: EmbeddedPostgres, sql: str) -> object:
    with psycopg.connect(server.uri()) as connection:
        row = connection.execute(sql).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return row[0]


def _postmaster_pid(server: EmbeddedPostgres) -> int:
    return int((server.data_dir / "data" / "postmaster.pid").read_text().splitlines()[0])


def _start_in_another_process(data_dir: Path, then: str) -> subprocess.Popen[str]:
    code = (
        "import sys, time; from pathlib import Path; from local.postgres import EmbeddedPostgres\n"
        "server = EmbeddedPostgres(Path(sys.argv[1])); server.start(); print(server.port, flush=True)\n" + then
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "include")},
    )


def test_a_restart_keeps_the_data_and_the_address(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    address = postgres.uri()
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    postgres.stop()
    assert not postgres.is_running
    postgres.start()
    assert postgres.uri() == address
    assert _value(postgres, "SELECT answer FROM kept") == 42


def test_starting_twice_is_one_server(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    pid = _postmaster_pid(postgres)
    postgres.start()
    assert _postmaster_pid(postgres) == pid


def test_stop_leaves_no_process(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    main = psutil.Process(_postmaster_pid(postgres))
    everyone = [main, *main.children(recursive=True)]
    postgres.stop()
    assert [process for process in everyone if process.is_running()] == []


def test_the_last_user_stops_it(postgres: EmbeddedPostgres) -> None:
    other = EmbeddedPostgres(postgres.data_dir)
    with postgres:
        with other:
            pass
        assert postgres.is_running
    assert not postgres.is_running


def test_it_recovers_from_kill_9_of_the_server(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    with psycopg.connect(postgres.uri()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(_postmaster_pid(postgres), signal.SIGKILL)
    postgres.start()
    assert _value(postgres, "SELECT answer FROM kept") == 42


def test_a_pid_file_whose_number_another_program_has_is_no_obstacle(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    pid_file = postgres.data_dir / "data" / "postmaster.pid"
    left_behind = pid_file.read_text().splitlines()
    os.kill(int(left_behind[0]), signal.SIGKILL)
    time.sleep(0.5)
    pid_file.write_text("\n".join([str(os.getpid()), *left_behind[1:]]))
    assert not postgres.is_running
    postgres.start()
    assert _value(postgres, "SELECT 1") == 1


def test_a_starter_killed_by_kill_9_leaves_a_server_that_the_next_user_stops(
    postgres: EmbeddedPostgres,
) -> None:
    starter = _start_in_another_process(postgres.data_dir, "time.sleep(60)")
    assert starter.stdout is not None and starter.stdin is not None
    port = int(starter.stdout.readline())
    starter.kill()
    starter.communicate()
    with postgres:
        assert postgres.port == port
    assert not postgres.is_running


def test_two_processes_that_start_at_once_share_one_server(postgres: EmbeddedPostgres) -> None:
    starters = [_start_in_another_process(postgres.data_dir, "sys.stdin.read()") for _ in range(2)]
    ports = {starter.stdout.readline() for starter in starters if starter.stdout}
    for starter in starters:
        starter.communicate(timeout=30)
    assert len(ports) == 1


def test_it_listens_on_loopback_alone(running: EmbeddedPostgres) -> None:
    listening = [
        c.laddr.ip for c in psutil.Process(_postmaster_pid(running)).net_connections() if c.status == psutil.CONN_LISTEN
    ]
    assert listening == ["127.0.0.1"]


def test_a_wrong_password_is_refused(running: EmbeddedPostgres) -> None:
    for user in ("compliance", "postgres"):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(running.uri(user=user, password="wrong"))


def test_no_way_in_without_a_password_is_configured(running: EmbeddedPostgres) -> None:
    rules = (running.data_dir / "data" / "pg_hba.conf").read_text().splitlines()
    methods = {line.split()[-1] for line in rules if line and not line.startswith("#")}
    assert methods == {"scram-sha-256"}


def test_the_passwords_are_in_a_file_for_the_owner_alone(running: EmbeddedPostgres) -> None:
    assert stat.S_IMODE((running.data_dir / "credentials.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((running.data_dir / "data").stat().st_mode) == 0o700


def test_the_pipelines_role_owns_its_database_and_is_no_superuser(running: EmbeddedPostgres) -> None:
    assert _value(running, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
    assert _value(running, owner) == "compliance"


def test_settings_fit_a_small_machine(running: EmbeddedPostgres) -> None:
    wanted = {"shared_buffers": "128MB", "max_connections": "60", "fsync": "on", "TimeZone": "UTC"}
    assert {name: _value(running, f"SHOW {name}") for name in wanted} == wanted
    assert _value(running, "SELECT lower('ÄÖ')") == "äö"


def test_a_cluster_of_another_version_is_one_line_that_names_the_log(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    postgres.stop()
    (postgres.data_dir / "data" / "PG_VERSION").write_text("15\n")
    with pytest.raises(PostgresNotStarted) as refused:
        postgres.start()
    message = str(refused.value)
    assert "Postgres 15" in message
    assert str(postgres.log_file) in message
    assert "\n" not in message


def test_a_broken_cluster_is_one_line_with_the_servers_own_reason(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    postgres.stop()
    (postgres.data_dir / "data" / "global" / "pg_control").unlink()
    with pytest.raises(PostgresNotStarted, match="pg_control") as refused:
        postgres.start()
    assert "\n" not in str(refused.value)
    assert str(postgres.log_file) in str(refused.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to step aside")
def test_root_may_work_below_a_closed_folder_and_it_stays_closed(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = EmbeddedPostgres(closed / "project" / "postgres")
    with server:
        assert _value(server, "SELECT 1") == 1
        outside = (server.data_dir / "data").resolve()
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert not outside.is_relative_to(closed)
    server.delete()
    assert not outside.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to look at another account")
def test_roots_server_runs_under_a_user_id_of_its_own(running: EmbeddedPostgres) -> None:
    uid = psutil.Process(_postmaster_pid(running)).uids().real
    assert uid != 0
    others = {p.info["uids"].real for p in psutil.process_iter(["uids", "name"]) if p.info["name"] != "postgres"}
    assert uid not in others
