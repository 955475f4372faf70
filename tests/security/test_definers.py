"""Functions that run with their owner's rights do what they say, whatever a session calls its own tables."""

from __future__ import annotations

import psycopg
import pytest

from tests.conftest import Database
from tests.security.conftest import As


def test_each_of_them_looks_for_names_in_the_catalogue_first_and_last_among_the_sessions_own(
    database: Database,
) -> None:
    rows = database.execute(
        "SELECT oid::regprocedure::text AS name, proconfig FROM pg_proc WHERE prosecdef AND oid >= 16384 ORDER BY 1"
    ).fetchall()
    assert rows
    # A function may settle the time zone too, where a digest hangs on it.
    settled = {row["name"]: [one for one in row["proconfig"] if one != "TimeZone=UTC"] for row in rows}
    assert settled == {row["name"]: ["search_path=pg_catalog, pg_temp"] for row in rows}


def test_nobody_makes_temporary_tables_but_the_pipeline(database: Database, acting_as: As) -> None:
    public = database.execute(
        "SELECT 1 FROM pg_database CROSS JOIN aclexplode(datacl) AS granted WHERE datname = current_database()"
        " AND granted.grantee = 0 AND granted.privilege_type = 'TEMPORARY'"
    ).fetchall()
    assert public == []
    for role in ("compliance_console", "compliance_vault", "compliance_receiver"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            acting_as(role).execute("CREATE TEMPORARY VIEW pg_tables AS SELECT 1 AS one")


_TRAP = (
    "CREATE TEMPORARY TABLE caught (who text)",
    "GRANT INSERT ON caught TO PUBLIC",
    "CREATE FUNCTION pg_temp.catch() RETURNS name LANGUAGE plpgsql"
    " AS $$ BEGIN INSERT INTO pg_temp.caught VALUES (current_user); RETURN 'objects'; END $$",
    "GRANT EXECUTE ON FUNCTION pg_temp.catch() TO PUBLIC",
    "CREATE TEMPORARY VIEW pg_tables AS SELECT 'landing'::name AS schemaname, pg_temp.catch() AS tablename",
    "CREATE TEMPORARY VIEW pg_class AS SELECT pg_temp.catch() AS relname, 1::oid AS oid, 1::oid AS relnamespace",
    "GRANT SELECT ON pg_tables TO PUBLIC",
    "GRANT SELECT ON pg_class TO PUBLIC",
)


def test_names_of_a_session_run_nothing_as_owner(acting_as: As) -> None:
    connection = acting_as("compliance_pipeline")
    for statement in _TRAP:
        connection.execute(statement)  # type: ignore[arg-type]
    connection.execute("SELECT staging.refresh_statistics('landing')")
    connection.execute(
        "SELECT landing.forget_bodies('acme', now() - interval '31 days', now() - interval '31 days', 10)"
    )
    connection.execute("SELECT integration.forget_history('acme', now() - interval '401 days', 10)")
    connection.execute("SELECT integration.forget_told('acme', now() - interval '401 days')")
    connection.execute("SELECT integration.forget_refreshes(now() - interval '31 days')")
    connection.execute("SELECT registry.forget_rosters(now() - interval '401 days', 10)")
    connection.execute("SELECT quality.forget_outcomes('acme', now() - interval '31 days')")
    connection.execute("SELECT integration.note_publication('acme', clock_timestamp(), null)")
    assert connection.execute("SELECT * FROM pg_temp.caught").fetchall() == []
