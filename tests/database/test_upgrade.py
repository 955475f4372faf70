"""Upgrades of real databases: what a file creates, what a second run changes, and what is refused."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bitbucket_compliance.core.errors import MigrationRefused
from bitbucket_compliance.database.migrate import DATABASE, upgrade
from local.postgres import EmbeddedPostgres

ROOT = Path(__file__).resolve().parents[2]

_numbers = itertools.count(1)

Execute = Callable[..., list[tuple[Any, ...]]]

# Every row of the catalogue that belongs to our schemas, with the transaction that wrote it last.
CATALOGUE = """
WITH schemas AS (SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema')
SELECT 'namespace' AS kind, oid, xmin::text, nspname::text AS name FROM pg_namespace WHERE oid IN (TABLE schemas)
UNION ALL
SELECT 'relation', oid, xmin::text, oid::regclass::text FROM pg_class WHERE relnamespace IN (TABLE schemas)
UNION ALL
SELECT 'function', oid, xmin::text, oid::regprocedure::text FROM pg_proc WHERE pronamespace IN (TABLE schemas)
UNION ALL
SELECT 'trigger', oid, xmin::text, tgname::text FROM pg_trigger WHERE NOT tgisinternal
UNION ALL
SELECT 'comment', objoid, xmin::text, objsubid::text FROM pg_description WHERE classoid = 'pg_class'::regclass
    AND objoid IN (SELECT oid FROM pg_class WHERE relnamespace IN (TABLE schemas))
UNION ALL
SELECT 'database', oid, xmin::text, datacl::text FROM pg_database WHERE datname = current_database()
UNION ALL
SELECT 'membership', oid, xmin::text, roleid::regrole::text FROM pg_auth_members
ORDER BY 1, 2, 4
"""
TABLES = (
    "SELECT oid, relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'compliance'::regnamespace ORDER BY oid"
)


@pytest.fixture
def empty(postgres: EmbeddedPostgres) -> Iterator[str]:
    """Address of an empty database."""
    name = f"upgraded_{next(_numbers)}"
    with psycopg.connect(postgres.uri("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield postgres.uri(name)
    with psycopg.connect(postgres.uri("postgres", "postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def execute(empty: str) -> Execute:
    """Run one statement in that database."""

    def run(statement: str, dsn: str = empty) -> list[tuple[Any, ...]]:
        with psycopg.connect(dsn, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the database's files, to be changed at will."""
    return Path(shutil.copytree(DATABASE, tmp_path / "database", ignore=shutil.ignore_patterns("__pycache__")))


def named_by_files(folder: Path, kind: str) -> set[str]:
    return {f"{path.parent.name}.{path.stem}" for path in (folder / kind).glob("*/*.sql")}


def views(execute: Execute) -> list[str]:
    query = "SELECT schemaname || '.' || viewname FROM pg_views WHERE schemaname !~ '^(pg_|information_schema)'"
    return [name for (name,) in execute(query)]


def functions(execute: Execute) -> set[str]:
    query = (
        "SELECT pronamespace::regnamespace || '.' || proname FROM pg_proc WHERE proowner = 'compliance_owner'::regrole"
    )
    return {name for (name,) in execute(query)}


# -- what an upgrade makes ----------------------------------------------------------------------------------------


def test_each_view_and_function_lives_in_the_one_file_named_after_it(empty: str, execute: Execute) -> None:
    upgrade(empty)
    assert set(views(execute)) == named_by_files(DATABASE, "views")
    assert functions(execute) == named_by_files(DATABASE, "functions")


def test_each_file_says_what_it_is_for_and_creates_one_thing() -> None:
    for path in [*(DATABASE / "views").glob("*/*.sql"), *(DATABASE / "functions").glob("*/*.sql")]:
        text = path.read_text(encoding="utf-8")
        name = f"{path.parent.name}.{path.stem}"
        assert text.startswith("-- Purpose: "), path
        created = re.findall(r"^CREATE (?:VIEW|FUNCTION|PROCEDURE) ([\w.]+)", text, re.MULTILINE)
        assert set(created) == {name}, path


def test_each_view_and_function_says_in_the_database_what_it_is_for(empty: str, execute: Execute) -> None:
    upgrade(empty)
    views = (
        "SELECT oid::regclass::text, obj_description(oid, 'pg_class') FROM pg_class"
        " WHERE relkind = 'v' AND relnamespace::regnamespace::text !~ '^(pg_|information_schema)'"
    )
    functions = (
        "SELECT pronamespace::regnamespace || '.' || proname, obj_description(oid, 'pg_proc') FROM pg_proc"
        " WHERE proowner = 'compliance_owner'::regrole"
    )
    found = dict([*execute(views), *execute(functions)])
    assert [name for name, comment in found.items() if not comment] == []
    assert found["quality.members"] == "The members of the workspace that a gate looks at."
    assert found["quality.unsupported_verdicts"].endswith("; days are those of the policy's time zone.")
    assert found["compliance.score"].startswith("Passing among decided, in percent")


def test_migrations_make_tables_alone() -> None:
    for path in (DATABASE / "migrations").rglob("*.sql"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(
            r"\bCREATE\s+(OR\s+REPLACE\s+)?(VIEW|FUNCTION|PROCEDURE|TRIGGER)\b", text, re.IGNORECASE
        ), path


# -- a second run -------------------------------------------------------------------------------------------------


def test_a_second_upgrade_changes_nothing_and_issues_no_ddl(
    postgres: EmbeddedPostgres, empty: str, execute: Execute
) -> None:
    upgrade(empty)
    administrator = postgres.uri(empty.rsplit("/", 1)[1], "postgres")
    execute(
        "CREATE FUNCTION public.refuse_ddl() RETURNS event_trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE 'DDL: %', tg_tag; END $$",
        administrator,
    )
    execute("CREATE EVENT TRIGGER no_ddl ON ddl_command_start EXECUTE FUNCTION public.refuse_ddl()", administrator)
    before = execute(CATALOGUE)
    upgrade(empty)
    assert execute(CATALOGUE) == before


def test_a_changed_file_makes_views_and_functions_anew_and_leaves_tables_and_rows(
    empty: str, execute: Execute, folder: Path
) -> None:
    upgrade(empty, folder)
    tables = execute(TABLES)
    execute("INSERT INTO compliance.tests VALUES ('t', 'T', 'high', 'repository', false, true, 1, 'd')")
    view = folder / "views/compliance/severity_weights.sql"
    # Another number of columns and another type of argument: neither can be replaced in place.
    view.write_text(view.read_text().replace("    weights.weight\n", "    weights.weight,\n    true AS is_new\n"))
    function = folder / "functions/compliance/score.sql"
    function.write_text(function.read_text().replace("RETURNS numeric", "RETURNS double precision"))
    upgrade(empty, folder)
    assert execute("SELECT is_new FROM compliance.severity_weights LIMIT 1") == [(True,)]
    assert execute("SELECT pg_typeof(compliance.score(1, 1))::text") == [("double precision",)]
    assert sorted(execute(TABLES)) == sorted(tables)
    assert execute("SELECT test_id FROM compliance.tests") == [("t",)]


def test_a_view_whose_file_is_gone_is_gone(empty: str, execute: Execute, folder: Path) -> None:
    upgrade(empty, folder)
    for schema in ("compliance", "granted"):
        (folder / f"views/{schema}/undecided.sql").unlink()
    upgrade(empty, folder)
    assert execute("SELECT to_regclass('compliance.undecided')") == [(None,)]
    assert set(views(execute)) == named_by_files(folder, "views")


def test_a_migration_may_change_what_views_depend_on(empty: str, execute: Execute, folder: Path) -> None:
    upgrade(empty, folder)
    versions = folder / "migrations/versions"
    (versions / "renamed_0002.py").write_text(
        (versions / "tables_0001.py")
        .read_text()
        .replace('"tables_0001"', '"renamed_0002"', 1)
        .replace("down_revision = None", 'down_revision = "tables_0001"')
        .split("def upgrade")[0]
        + "\n\ndef upgrade() -> None:\n"
        "    from alembic import op\n\n"
        '    op.execute("ALTER TABLE compliance.results ALTER COLUMN status TYPE varchar(20)")\n'
    )
    upgrade(empty, folder)
    assert execute("SELECT version_num FROM integration.schema_version") == [("renamed_0002",)]
    upgrade(empty, folder)


def test_two_upgrades_at_once_make_one_schema(empty: str, execute: Execute) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(upgrade, [empty, empty]))
    assert execute("SELECT count(*) FROM integration.schema_version") == [(1,)]
    assert execute("SELECT count(*) FROM integration.schema_objects") == [(1,)]


def test_readers_see_the_old_views_or_the_new_ones(empty: str, folder: Path) -> None:
    upgrade(empty, folder)
    done = threading.Event()

    def read() -> int:
        reads = 0
        with psycopg.connect(empty, autocommit=True) as connection:
            while not done.is_set():
                connection.execute("SELECT count(*) FROM compliance.workspace_score")
                reads += 1
        return reads

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        try:
            for version in range(3):
                view = folder / "views/compliance/undecided.sql"
                view.write_text(view.read_text() + f"-- {version}\n")
                upgrade(empty, folder)
        finally:
            done.set()
        assert reader.result() > 0


# -- what is refused ----------------------------------------------------------------------------------------------


def test_a_database_of_the_old_line_is_refused_by_name_and_left_as_it_was(empty: str, execute: Execute) -> None:
    upgrade(empty)
    execute("UPDATE integration.schema_version SET version_num = '0017'")
    before = execute(CATALOGUE)
    with pytest.raises(MigrationRefused, match=r"database upgraded_\d+ holds .* start afresh with an empty database"):
        upgrade(empty)
    assert execute(CATALOGUE) == before


@pytest.mark.slow
@pytest.mark.parametrize("module", ["local", "bitbucket_compliance"])
def test_make_upgrade_and_what_the_image_runs_say_in_one_line_how_it_went(
    empty: str, execute: Execute, tmp_path: Path, module: str
) -> None:
    def run() -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "AIRFLOW_CONN_COMPLIANCE_POSTGRES": empty,
            "AIRFLOW_HOME": str(tmp_path),
            "PYTHONPATH": os.pathsep.join([str(ROOT / "include"), str(ROOT / "plugins")]),
        }
        command = [sys.executable, "-m", module, "upgrade"]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    done = run()
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "compliance schema is current"), done.stderr
    execute("UPDATE integration.schema_version SET version_num = '0017'")
    refused = run()
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("error: compliance_postgres: database upgraded_")
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        (
            "views/compliance/broken.sql",
            "CREATE VIEW compliance.broken AS SELEKT 1;",
            'syntax error at or near "SELEKT"',
        ),
        ("views/compliance/broken.sql", "CREATE VIEW compliance.broken AS TABLE compliance.nowhere;", "does not exist"),
        # All views that call the function wait for it; it is the one at fault.
        ("functions/compliance/score.sql", "CREATE FUNCTION compliance.score() RETURNS nothing;", "no language"),
    ],
)
def test_a_file_with_broken_sql_is_named_and_nothing_is_changed(
    empty: str, execute: Execute, folder: Path, file: str, text: str, says: str
) -> None:
    upgrade(empty, folder)
    before = execute(CATALOGUE)
    (folder / file).write_text(text)
    with pytest.raises(MigrationRefused) as refused:
        upgrade(empty, folder)
    assert f"{file} cannot be run" in str(refused.value)
    assert says in str(refused.value)
    assert execute(CATALOGUE) == before


def test_an_empty_database_stays_empty_where_a_file_is_broken(empty: str, execute: Execute, folder: Path) -> None:
    (folder / "views/compliance/broken.sql").write_text("CREATE VIEW compliance.broken AS SELEKT 1;")
    with pytest.raises(MigrationRefused, match=r"views/compliance/broken\.sql"):
        upgrade(empty, folder)
    assert execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'compliance'") == [(0,)]


@pytest.mark.parametrize(
    ("foreign", "names"),
    [
        (
            "CREATE VIEW public.our_report AS SELECT status FROM compliance.current_results",
            "view our_report depends on view compliance.current_results",
        ),
        (
            "CREATE VIEW public.our_report AS SELECT compliance.score(1, 2) AS score",
            "view our_report depends on function compliance.score(numeric,numeric)",
        ),
    ],
)
def test_a_foreign_view_on_one_of_ours_is_named_and_never_dropped(
    empty: str, execute: Execute, folder: Path, foreign: str, names: str
) -> None:
    upgrade(empty, folder)
    execute(foreign)
    # Where no file has changed it is in nobody's way.
    upgrade(empty, folder)
    for schema in ("compliance", "granted"):
        (folder / f"views/{schema}/undecided.sql").unlink()
    with pytest.raises(MigrationRefused) as refused:
        upgrade(empty, folder)
    assert names in str(refused.value)
    assert execute("SELECT count(*) FROM public.our_report")
    execute("DROP VIEW public.our_report")
    upgrade(empty, folder)
