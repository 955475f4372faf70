"""The record shows tampering: whoever changes what was recorded, past every right and trigger, is found out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from local.postgres import EmbeddedPostgres
from local.postgres_cluster import ADMIN_ROLE
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.harness import Pipeline
from tests.pipeline.small import ACME, small_state, whole_run, write_csv

COLUMNS = "target_type,target,classification,sensitivity,owner"


@pytest.fixture
def acme(serve: Callable[[SandboxState], SandboxServer]) -> SandboxServer:
    return serve(small_state(2))


@pytest.fixture
def judged(pipeline: Pipeline, acme: SandboxServer, tmp_path: Path) -> Pipeline:
    """Two runs, with a declaration and an export of two-step verification between them."""
    whole_run(pipeline, acme)
    declared = [("repository", "repo-0", "production", "", "")]
    pipeline.take("classification", write_csv(tmp_path / "c.csv", COLUMNS, declared))
    states = [(f"person-{n}@example.com", "No") for n in range(3)]
    pipeline.take("mfa", write_csv(tmp_path / "mfa.csv", "Email,Two-step verification", states))
    acme.state.workspaces[0].repositories[1].restrictions = []
    whole_run(pipeline, acme)
    return pipeline


@pytest.fixture
def intruder(pipeline: Pipeline, postgres: EmbeddedPostgres) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """Somebody who holds the server: no right and no trigger is in the way."""
    name = pipeline.dsn.rsplit("/", 1)[1].split("?")[0]
    with psycopg.connect(postgres.uri(name, ADMIN_ROLE), row_factory=dict_row) as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection


def misfits(pipeline: Pipeline, workspace: str = ACME) -> list[dict[str, Any]]:
    return pipeline.query("SELECT * FROM integration.verify_record(%s)", [workspace])


def heads(pipeline: Pipeline) -> dict[str, dict[str, Any]]:
    return {row["workspace"]: row for row in pipeline.query("SELECT * FROM compliance.record_links ORDER BY link")}


def test_each_publication_seals_what_it_changed_and_what_was_decided_before_it(
    pipeline: Pipeline, acme: SandboxServer, tmp_path: Path
) -> None:
    run_id = whole_run(pipeline, acme)
    first = heads(pipeline)
    assert first[ACME]["link"] == 1 and first[ACME]["run_id"] == run_id
    declared = [("repository", "repo-0", "production", "", "")]
    pipeline.take("classification", write_csv(tmp_path / "c.csv", COLUMNS, declared))
    whole_run(pipeline, acme)
    second = heads(pipeline)
    assert (second[ACME]["link"], second[""]["link"]) == (2, first[""]["link"] + 1)
    assert misfits(pipeline) == misfits(pipeline, "") == []


def test_the_chain_can_be_worked_out_again_without_the_database(judged: Pipeline, postgres: EmbeddedPostgres) -> None:
    name = judged.dsn.rsplit("/", 1)[1].split("?")[0]
    with psycopg.connect(postgres.uri(name, ADMIN_ROLE), row_factory=dict_row) as connection:
        links = connection.execute("SELECT * FROM integration.record_links ORDER BY workspace, link").fetchall()
        rows = connection.execute(
            "SELECT record_rows.*, link FROM integration.record_rows"
            " INNER JOIN integration.record_batches USING (batch) ORDER BY row_number"
        ).fetchall()
    before = {"": "", ACME: ""}
    for link in links:
        own = [row for row in rows if (row["workspace"], row["link"]) == (link["workspace"], link["link"])]
        sealed_at = link["sealed_at"].astimezone(UTC)
        lines = [
            before[link["workspace"]],
            str(link["link"]),
            f"{sealed_at:%Y-%m-%dT%H:%M:%S.%f}Z",
            *(
                f"{row['row_number']} {row['relation']} {sha256(row['row_key'].encode()).hexdigest()} "
                f"{row['digest'].hex()}"
                for row in own
            ),
        ]
        assert len(own) == link["row_count"] > 0
        before[link["workspace"]] = sha256("\n".join(lines).encode()).hexdigest()
        assert before[link["workspace"]] == link["digest"].hex()


TAMPERINGS = {
    "a verdict is changed": (
        "UPDATE compliance.result_history SET status = 'passing' WHERE status = 'failing'", "compliance.result_history",
        "not as it was",
    ),
    "an interval is moved": (
        "UPDATE compliance.result_history SET valid_from = valid_from - interval '9 days' WHERE valid_to IS NULL",
        "compliance.result_history", "never recorded|gone",
    ),
    "what the trend counts is changed": (
        "UPDATE integration.history_moves SET subjects = subjects + 1", "integration.history_moves", "differ by 1",
    ),
    "what the trend counts as stale is changed": (
        "UPDATE integration.history_moves SET stale = 3", "integration.history_moves", "differ by 0 and 3",
    ),
    "a finding is deleted": ("DELETE FROM compliance.finding_records", "compliance.finding_records", "gone"),
    "a deadline is moved": (
        "UPDATE compliance.finding_records SET due_at = due_at + interval '1 year'", "compliance.finding_records",
        "not as it was",
    ),
    "a change is taken out of the population": (
        "DELETE FROM compliance.changes WHERE pull_request_id = (SELECT min(pull_request_id) FROM compliance.changes)",
        "compliance.changes", "gone",
    ),
    "a change is told to be reviewed": (
        "UPDATE compliance.changes SET peer_approvals = 7", "compliance.changes", "not as it was",
    ),
    "a change is made up": (
        "INSERT INTO compliance.changes (workspace, repository_id, kind, change_key, merged_on, forced, removed,"
        " policy_version, first_run_id, recorded_at) VALUES ('acme', '{x}', 'pull_request', '1', now(), false, false,"
        " 'p', 'r', now())", "compliance.changes", "never recorded",
    ),
    "the record itself is changed with it": (
        "UPDATE integration.record_rows SET digest = sha256('x') WHERE row_number ="
        " (SELECT min(row_number) FROM integration.record_rows WHERE workspace = 'acme')",
        "integration.record_links", "not what it was",
    ),
    "rows of the record are deleted": (
        "DELETE FROM integration.record_rows WHERE row_number ="
        " (SELECT min(row_number) FROM integration.record_rows WHERE workspace = 'acme')",
        "integration.record_links", "of which",
    ),
    "a link is taken out of the chain": (
        "DELETE FROM integration.record_links WHERE workspace = 'acme' AND link = 1", "integration.record_links",
        "missing",
    ),
    "a policy is rewritten": (
        "UPDATE registry.policy_versions SET body = jsonb_set(body, '{thresholds,min_approvals}', '0')",
        "registry.policy_versions", "not as it was",
    ),
    "evidence says another thing of a member": (
        "UPDATE registry.evidence_members SET two_step = 'on'", "registry.evidence_members", "not as it was",
    ),
    "evidence stands for another file": (
        "UPDATE registry.evidence SET file_sha256 = repeat('0', 64)", "registry.evidence", "not as it was",
    ),
    "another person accepted": (
        "UPDATE registry.evidence_decisions SET decided_by = 'os:somebody-else'", "registry.evidence_decisions",
        "not as it was",
    ),
    "a declaration is changed": (
        "UPDATE registry.classification SET classification = 'non_production'", "registry.classification",
        "not as it was",
    ),
}  # fmt: skip


def test_what_was_tampered_with_is_named(judged: Pipeline, intruder: psycopg.Connection[dict[str, Any]]) -> None:
    verify = "SELECT * FROM integration.verify_record('acme') UNION ALL SELECT * FROM integration.verify_record('')"
    assert misfits(judged) == misfits(judged, "") == []
    for what, (statement, relation, problem) in TAMPERINGS.items():
        with intruder.transaction(force_rollback=True):
            assert intruder.execute(statement.encode()).rowcount >= 1, what
            found = intruder.execute(verify).fetchall()
        named = [row for row in found if row["relation"] == relation]
        assert named and all(re.search(problem, row["problem"]) and row["row_key"] for row in named), (what, found)
        # what is counted of history does not fit a history that was changed
        others = {row["relation"] for row in found} - {relation}
        assert relation == "integration.record_links" or others <= {"integration.history_moves"}, (what, found)


def test_a_record_that_was_worked_out_anew_has_another_digest(
    judged: Pipeline, intruder: psycopg.Connection[dict[str, Any]]
) -> None:
    noted = heads(judged)[ACME]
    intruder.execute("UPDATE compliance.changes SET peer_approvals = 7")
    intruder.execute(
        "UPDATE integration.record_rows AS noted SET digest = integration.row_digest(to_jsonb(changes), '{workspace}')"
        " FROM compliance.changes AS changes WHERE noted.relation = 'compliance.changes'"
        " AND noted.row_key = jsonb_build_array(changes.repository_id, changes.kind, changes.change_key)::text"
    )
    for link in (1, 2):
        intruder.execute(
            "UPDATE integration.record_links AS links SET digest = integration.link_digest('acme', links.link,"
            " links.sealed_at, (SELECT earlier.digest FROM integration.record_links AS earlier WHERE"
            " earlier.workspace = 'acme' AND earlier.link = links.link - 1))"
            " WHERE links.workspace = 'acme' AND links.link = %s",
            (link,),
        )
    intruder.commit()
    assert misfits(judged) == [], "whoever holds the server can write it all anew"
    assert heads(judged)[ACME]["digest"] != noted["digest"], "what was noted elsewhere shows it"


#: what an operator looks into and no verdict, decision or population rests on
NOT_RECORDED = {"integration.connection_events", "integration.console_audit", "integration.notifications_sent"}


def test_whatever_takes_new_rows_only_is_recorded(pipeline: Pipeline) -> None:
    guarded = pipeline.query(
        "SELECT DISTINCT nspname || '.' || relname AS name FROM pg_trigger"
        " INNER JOIN pg_class ON tgrelid = pg_class.oid INNER JOIN pg_namespace ON relnamespace = pg_namespace.oid"
        " WHERE tgname = 'rows_are_never_changed' AND nspname <> 'quality'"
    )
    recorded = {row["relation"] for row in pipeline.query("SELECT relation FROM integration.recorded_tables()")}
    assert {row["name"] for row in guarded} - recorded == NOT_RECORDED


def test_no_role_writes_into_the_record(judged: Pipeline) -> None:
    with psycopg.connect(judged.dsn) as connection:
        for role in (b"compliance_pipeline", b"compliance_console", b"compliance_reader"):
            for statement in (
                b"UPDATE integration.record_rows SET digest = null",
                b"DELETE FROM integration.record_links",
                b"INSERT INTO integration.record_batches (workspace) VALUES ('acme')",
            ):
                connection.execute(b"SET ROLE " + role)
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)
                connection.rollback()


def test_a_renamed_workspace_keeps_its_chain(judged: Pipeline, acme: SandboxServer) -> None:
    before = heads(judged)[ACME]["link"]
    acme.state.workspaces[0].slug = "acme-two"
    whole_run(judged, acme, workspace="acme-two")
    assert heads(judged)["acme-two"]["link"] == before + 1
    assert misfits(judged, "acme-two") == misfits(judged, "") == misfits(judged) == []


def test_time_zone_and_locale_of_whoever_looks_change_no_digest(judged: Pipeline) -> None:
    with psycopg.connect(judged.dsn, row_factory=dict_row, options="-c timezone=Asia/Tokyo -c datestyle=German") as own:
        assert own.execute("SELECT * FROM integration.verify_record(%s)", [ACME]).fetchall() == []
