"""Two logins: one migrates, one runs. Whoever runs owns nothing, and does nothing outside of a small role."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing

import psycopg
import pytest
from cryptography.fernet import Fernet
from psycopg import sql

from bitbucket_cloud.database import Database as BitbucketDatabase
from bitbucket_cloud.errors import DatabaseUnavailable
from bitbucket_compliance import __main__ as command_line
from bitbucket_compliance.core.bitbucket import CONFIGURATION
from bitbucket_compliance.core.database import connect
from bitbucket_compliance.core.errors import MigrationRefused, RoleRefused
from bitbucket_compliance.core.postgres_address import PostgresAddress
from bitbucket_compliance.core.roles import READER_LIMITS, RUNNING_ROLES, ensure_login
from bitbucket_compliance.database import migrate
from bitbucket_compliance.tasks import housekeeping
from compliance_console_app.database import Pool
from local.postgres import RUNNING_ROLE, EmbeddedPostgres
from sandbox import demo
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.conftest import Database
from tests.harness import Pipeline
from tests.pipeline.small import ACME, small_state
from tests.security.conftest import As

Serve = Callable[[SandboxState], SandboxServer]

_WATCH = """
CREATE TABLE public.writers (who text, what text);
GRANT INSERT ON public.writers TO PUBLIC;
CREATE FUNCTION public.note_writer() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN INSERT INTO public.writers VALUES (current_user, tg_op || ' ' || tg_table_name); RETURN null; END $$;
DO $$
DECLARE
    one regclass;
BEGIN
    FOR one IN
        SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace::regnamespace::text IN
        ('landing', 'staging', 'judged', 'registry', 'quality', 'integration', 'compliance')
        AND relowner = 'compliance_owner'::regrole
    LOOP
        EXECUTE format('CREATE TRIGGER watched AFTER INSERT OR UPDATE OR DELETE ON %s
            FOR EACH STATEMENT EXECUTE FUNCTION public.note_writer()', one);
    END LOOP;
END $$;
"""


@pytest.fixture
def writers(database: Database) -> Callable[[], set[str]]:
    """Who has written to any of the tables since; for the owner of the guarded functions, what they did too."""
    database.execute(_WATCH)
    query = "SELECT DISTINCT CASE WHEN who = 'compliance_owner' THEN what ELSE who END AS who FROM public.writers"
    return lambda: {row["who"] for row in database.execute(query).fetchall()}


@pytest.mark.slow
@pytest.mark.gated
def test_a_whole_run_the_commands_and_housekeeping_write_as_the_pipeline_and_as_nobody_else(
    running: str,
    writers: Callable[[], set[str]],
    pipeline: Pipeline,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = serve(small_state(2))
    monkeypatch.setenv("COMPLIANCE_VAULT_KEY", Fernet.generate_key().decode())
    assert command_line.main(["import", f"--classification={demo.CLASSIFICATION}"]) == 0, capsys.readouterr()
    pipeline.run(server, ACME, gates=True)
    pipeline.run(server, ACME, gates=True)
    housekeeping.reopen_expired()
    housekeeping.forget_old()
    housekeeping.delete_packages()
    with psycopg.connect(pipeline.dsn) as owner:
        assert owner.execute("SELECT count(*) FROM compliance.current_results").fetchone() != (0,)
        assert owner.execute("SELECT count(*) FROM landing.objects").fetchone() != (0,)
    by_guarded_functions = {
        "INSERT publications",
        "INSERT history_moves",
        "UPDATE history_moves",
        "DELETE objects",
        "DELETE expectation_results",
        "DELETE gate_outcomes",
        "INSERT record_batches",
        "UPDATE record_batches",
        "INSERT record_rows",
        "INSERT record_links",
    }
    by_retention = [
        "changes",
        "connection_events",
        "daily_observations",
        "finding_records",
        "leaver_records",
        "member_addresses",
        "member_history",
        "notifications_sent",
        "people",
        "population_counts",
        "publications",
        "repository_history",
        "result_history",
        "runs",
        "stale_records",
    ]
    by_guarded_functions |= {f"DELETE {table}" for table in by_retention}
    assert writers() == {"compliance_pipeline"} | by_guarded_functions


def test_every_door_steps_into_its_small_role(running: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def who(connection: psycopg.Connection[dict[str, object]]) -> object:
        with closing(connection):
            return connection.execute("SELECT current_user AS who, session_user AS login").fetchall()

    run_as = [{"who": "compliance_pipeline", "login": RUNNING_ROLE}]
    assert who(connect()) == run_as
    assert who(BitbucketDatabase.from_airflow(CONFIGURATION).connect()) == run_as
    assert who(Pool().take()) == [{"who": "compliance_console", "login": RUNNING_ROLE}]


@pytest.fixture
def stranger(dsn: str, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> str:
    """A login that may step into nothing."""
    with psycopg.connect(dsn, autocommit=True) as owner:
        if not owner.execute("SELECT 1 FROM pg_roles WHERE rolname = 'stranger'").fetchone():
            owner.execute("CREATE ROLE stranger LOGIN PASSWORD 'p'")
    address = postgres.uri(dsn.rpartition("/")[2], "stranger", "p")
    monkeypatch.setenv("AIRFLOW_CONN_COMPLIANCE_POSTGRES", address)
    return address


def test_a_session_that_can_not_step_into_its_role_refuses_to_work(
    stranger: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    grant = 'GRANT {} TO "stranger" WITH INHERIT FALSE, SET TRUE'
    with pytest.raises(RoleRefused) as refused:
        connect()
    assert grant.format("compliance_pipeline") in str(refused.value)
    with pytest.raises(RoleRefused) as refused:
        Pool().take()
    assert grant.format("compliance_console") in str(refused.value)
    with pytest.raises(DatabaseUnavailable, match="compliance_pipeline"):
        BitbucketDatabase.from_airflow(CONFIGURATION).connect()
    assert command_line.main(["evidence"]) == 1
    assert grant.format("compliance_pipeline") in capsys.readouterr().err


def test_the_running_login_has_no_right_of_its_own_and_never_becomes_owner(running: str) -> None:
    with psycopg.connect(running, autocommit=True) as connection:
        for statement in (
            "SELECT * FROM compliance.current_results",
            "INSERT INTO integration.workspace_leases VALUES ('a', 'b', now())",
            "CREATE TABLE public.mine (a int)",
            "CREATE TEMPORARY TABLE mine (a int)",
            "SET ROLE compliance_owner",
            "SET ROLE compliance",
            "ALTER TABLE compliance.result_history DISABLE TRIGGER USER",
            "CREATE ROLE another",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)  # type: ignore[arg-type]
        rows = connection.execute(
            "SELECT roles.rolname FROM pg_roles AS roles WHERE roles.rolname <> current_user"
            " AND pg_has_role(current_user, roles.oid, 'MEMBER')"
        ).fetchall()
    assert {name for (name,) in rows} == set(RUNNING_ROLES)


def test_a_login_that_runs_can_not_migrate_and_is_told_what_to_set(running: str) -> None:
    with pytest.raises(MigrationRefused, match="AIRFLOW_CONN_COMPLIANCE_POSTGRES_OWNER"):
        migrate.upgrade(running)


def test_an_upgrade_by_the_owner_makes_the_login_that_runs(dsn: str, postgres: EmbeddedPostgres) -> None:
    running = PostgresAddress.from_airflow(postgres.uri(dsn.rpartition("/")[2], "made_by_upgrade", "pass'word"))
    for _ in range(2):
        migrate.bring_up(PostgresAddress.from_airflow(dsn), running)
    with psycopg.connect(running.dsn) as connection:
        connection.execute("SET ROLE compliance_pipeline")
        assert connection.execute("SELECT count(*) FROM integration.runs").fetchone() == (0,)


# ------------------------------------------------------------------------------------------- passwords and readers


def test_no_password_of_a_login_stands_in_the_servers_log(dsn: str, postgres: EmbeddedPostgres) -> None:
    name = dsn.rpartition("/")[2]
    with psycopg.connect(postgres.uri("postgres", "postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("ALTER DATABASE {} SET log_statement = 'all'").format(sql.Identifier(name)))
    ensure_login(dsn, "a_reader", "compliance_reader", "unmistakable-password", reads_only=True)
    log = postgres.log_file.read_text(errors="replace")
    assert "SCRAM-SHA-256$" in log and "a_reader" in log
    assert "unmistakable-password" not in log
    psycopg.connect(postgres.uri(name, "a_reader", "unmistakable-password")).close()


def test_a_reader_has_limits_of_time_and_temporary_space(dsn: str, postgres: EmbeddedPostgres) -> None:
    ensure_login(dsn, "limited_reader", "compliance_reader", "p", reads_only=True)
    with psycopg.connect(postgres.uri(dsn.rpartition("/")[2], "limited_reader", "p"), autocommit=True) as connection:
        shown = {name: connection.execute(f"SHOW {name}").fetchone() for name in READER_LIMITS}  # type: ignore[arg-type]
        assert shown == {name: (value,) for name, value in READER_LIMITS.items()}
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SET temp_file_limit = -1")


@pytest.mark.parametrize("role", ["compliance_reader", "compliance_auditor", "compliance_limited_reader"])
def test_who_reads_holds_nobody_up_and_fills_no_disk(dsn: str, postgres: EmbeddedPostgres, role: str) -> None:
    ensure_login(dsn, "who_reads", role, "p", reads_only=True)
    with psycopg.connect(postgres.uri(dsn.rpartition("/")[2], "who_reads", "p"), autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        for kind in ("advisory_lock", "advisory_lock_shared", "advisory_xact_lock", "advisory_xact_lock_shared"):
            for name in (f"pg_{kind}", f"pg_try_{kind}"):
                for key in ("hashtextextended('compliance results acme', 0)", "1, 2"):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        connection.execute(f"SELECT {name}({key})")  # type: ignore[arg-type]
        for making in ("lo_creat(-1)", "lo_create(0)", "lo_from_bytea(0, 'x')"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"SELECT {making}")  # type: ignore[arg-type]


def test_who_works_keeps_the_locks_whenever_an_administrator_takes_them_from_the_others(
    postgres: EmbeddedPostgres, dsn: str
) -> None:
    name = dsn.rpartition("/")[2]
    postgres.take_from_everybody(name)
    with psycopg.connect(dsn) as owner:
        for role in ("compliance_owner", "compliance_pipeline", "compliance_console", "compliance_vault"):
            owner.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
            owner.execute("SELECT pg_advisory_xact_lock(1)")
            owner.execute("RESET ROLE")


def test_a_vault_row_is_out_of_reach_of_pipeline_and_console(acting_as: As) -> None:
    for role in ("compliance_pipeline", "compliance_console"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            acting_as(role).execute("SELECT * FROM integration.token_vault")


def test_json_is_what_the_owners_connection_may_be_too() -> None:
    value = json.dumps({"conn_type": "postgres", "host": "h", "login": "o", "password": "p", "schema": "d"})
    both = {"AIRFLOW_CONN_COMPLIANCE_POSTGRES": "postgresql://r:p@h/d"}
    assert PostgresAddress.of_owner(both).user == "r"
    assert PostgresAddress.of_owner({**both, "AIRFLOW_CONN_COMPLIANCE_POSTGRES_OWNER": value}).user == "o"
