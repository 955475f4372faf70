"""Backup and restore on two real servers: what comes back, what never leaves, and what is refused."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from bitbucket_compliance.__main__ import main as operate
from bitbucket_compliance.database.backup import LEFT_OUT
from bitbucket_compliance.database.migrate import upgrade
from local.postgres import EmbeddedPostgres
from sandbox.process import SandboxServer
from tests.conftest import HURRIED, Database
from tests.harness import DEMO, Pipeline
from tests.vaulting import CONN_ID

VARIABLE = "AIRFLOW_CONN_COMPLIANCE_POSTGRES"
TABLES = """
SELECT relnamespace::regnamespace || '.' || relname AS name FROM pg_class
WHERE relkind = 'r' AND relnamespace::regnamespace::text IN
('landing', 'staging', 'judged', 'registry', 'integration', 'quality', 'compliance')
ORDER BY 1
"""

Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def new_server(_postgres_folder: Path) -> Iterator[str]:
    """The address of an empty database on a server that never held one of ours."""
    server = EmbeddedPostgres(_postgres_folder / "restored", HURRIED)
    try:
        server.start()
        yield server.uri()
    finally:
        server.delete()


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """Runs a command and gives exit code, output and errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = operate(list(arguments))
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def rows_of(dsn: str, statement: str, values: tuple[object, ...] = ()) -> list[dict[str, Any]]:
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        return connection.execute(statement, values).fetchall()


def contents(dsn: str) -> dict[str, list[str]]:
    """Each row of each table that a backup holds, as text."""
    tables = [row["name"] for row in rows_of(dsn, TABLES) if row["name"] not in LEFT_OUT]
    return {
        name: sorted(row["row"] for row in rows_of(dsn, f"SELECT one::text AS row FROM {name} AS one"))  # noqa: S608
        for name in tables
    }


def schemas(dsn: str) -> list[str]:
    query = "SELECT nspname FROM pg_namespace WHERE nspname IN ('integration', 'compliance', 'landing')"
    return [row["nspname"] for row in rows_of(dsn, query)]


@pytest.mark.slow
def test_a_restored_database_answers_as_the_first_one_did_and_goes_on_from_there(
    pipeline: Pipeline,
    sandbox: SandboxServer,
    dsn: str,
    new_server: str,
    tmp_path: Path,
    said: Said,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipeline.take_demo()
    pipeline.run(sandbox, gates=True)
    between = datetime.now(UTC)
    demo = sandbox.state.workspaces[0]
    demo.repositories[0].restrictions.clear()
    pipeline.run(sandbox, full_refresh=True)
    file = tmp_path / "backup.zip"
    code, out, err = said("backup", f"--to={file}")
    assert (code, "rows of" in out) == (0, True), err
    assert file.stat().st_mode & 0o077 == 0
    before = contents(dsn)
    as_of = "SELECT * FROM compliance.results_as_of(%s) ORDER BY workspace, test_id, subject_id"
    answers = {instant: rows_of(dsn, as_of, (instant,)) for instant in (between, datetime.now(UTC))}
    heads = said("verify")

    monkeypatch.setenv(VARIABLE, new_server)
    code, out, err = said("restore", f"--from={file}")
    assert (code, "restored:" in out) == (0, True), err
    assert contents(new_server) == before
    assert {instant: rows_of(new_server, as_of, (instant,)) for instant in answers} == answers
    assert len({json.dumps(rows, default=str) for rows in answers.values()}) == 2
    assert said("verify") == heads
    # What guards records is back, and identity columns go on where they were.
    with psycopg.connect(new_server) as connection, pytest.raises(psycopg.Error, match="never changed"):
        connection.execute("UPDATE compliance.result_history SET reason = 'another'")
    restored = Pipeline(new_server, pipeline.connect_to)
    restored.run(sandbox)
    assert restored.query("SELECT status FROM compliance.runs ORDER BY started_at DESC LIMIT 1") == [
        {"status": "published"}
    ]
    assert restored.verdicts(DEMO) == pipeline.verdicts(DEMO)
    assert said("verify")[0] == 0
    code, _, err = said("restore", f"--from={file}")
    assert code == 1 and "is not empty: it has the schema compliance" in err


def test_no_token_and_no_secret_is_in_the_file(dsn: str, tmp_path: Path, said: Said) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("SET ROLE compliance_vault")
        connection.execute(
            "INSERT INTO integration.token_vault (conn_id, consumer, access_token, refresh_token, expires_at, status,"
            " status_since, connected_by, connected_at) VALUES (%s, 'key', 'sealed access', 'sealed refresh',"
            " now(), 'connected', now(), 'airflow:anna', now())",
            (CONN_ID,),
        )
        connection.execute(
            "INSERT INTO integration.webhook_secrets (conn_id, sealed) VALUES (%s, 'sealed secret')", (CONN_ID,)
        )
    file = tmp_path / "backup.zip"
    assert said("backup", f"--to={file}")[0] == 0
    with zipfile.ZipFile(file) as backup:
        assert not [name for name in backup.namelist() if b"sealed " in backup.read(name)]
        assert {name.removeprefix("data/").removesuffix(".copy") for name in backup.namelist()} & LEFT_OUT == set()
    code, _, err = said("backup", f"--to={file}")
    assert code == 1 and "is there already, and no backup is overwritten" in err
    code, _, err = said("backup", f"--to={tmp_path / 'nowhere' / 'backup.zip'}")
    assert code == 1 and "can't be written: No such file or directory" in err


def test_a_damaged_backup_or_one_of_another_version_makes_nothing(
    dsn: str, new_server: str, tmp_path: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("INSERT INTO registry.persons (person) VALUES ('os:a'), ('os:b')")
    file = tmp_path / "backup.zip"
    assert said("backup", f"--to={file}")[0] == 0

    def changed(member: str, change: Callable[[bytes], bytes]) -> Path:
        other = tmp_path / "changed.zip"
        with zipfile.ZipFile(file) as backup, zipfile.ZipFile(other, "w") as made:
            for name in backup.namelist():
                made.writestr(name, change(backup.read(name)) if name == member else backup.read(name))
        return other

    monkeypatch.setenv(VARIABLE, new_server)
    cut = tmp_path / "cut.zip"
    shutil.copyfile(file, cut)
    with cut.open("r+b") as opened:
        opened.truncate(file.stat().st_size // 2)
    one_person_less = changed("data/registry.persons.copy", lambda data: data.split(b"\n", 1)[1])
    for path, words in (
        (cut, "is no backup that this version can read"),
        (one_person_less, "registry.persons has 1 rows, 2 were written"),
    ):
        code, _, err = said("restore", f"--from={path}")
        assert (code, words in err, schemas(new_server)) == (1, True, []), err
    older = changed("manifest.json", lambda data: data.replace(b'"revision": "', b'"revision": "older-'))
    code, _, err = said("restore", f"--from={older}")
    assert code == 1 and "restore with the version that made the backup, then upgrade" in err
    assert schemas(new_server) == []


def test_the_role_of_backups_reads_all_but_the_vault_and_writes_nothing(dsn: str) -> None:
    upgrade(dsn)
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        connection.execute("SET ROLE compliance_backup")
        tables = [row["name"] for row in connection.execute(TABLES)]
        readable = {name for name in tables if may(connection, f"SELECT 1 FROM {name} LIMIT 0")}  # noqa: S608
        assert set(tables) - readable == {"integration.token_vault", "integration.webhook_secrets"}
        assert [name for name in tables if may(connection, f"DELETE FROM {name}")] == []  # noqa: S608
        assert [name for name in tables if may(connection, f"INSERT INTO {name} DEFAULT VALUES")] == []


def may(connection: Database, statement: str) -> bool:
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(sql.SQL(statement))  # type: ignore[arg-type]
    except psycopg.errors.InsufficientPrivilege:
        return False
    except psycopg.Error:
        return True
    return True
