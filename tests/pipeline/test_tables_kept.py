"""Every table of the pipeline: when its rows go, or that they stay. Whoever adds a table has to decide, here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from typing import Any

import pytest

from bitbucket_compliance.pipeline.publish import publish
from bitbucket_compliance.tasks import housekeeping
from local.postgres import EmbeddedPostgres
from local.postgres_cluster import ADMIN_ROLE
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.conftest import Database
from tests.harness import Pipeline
from tests.pipeline.filled import fill, tables, without_triggers
from tests.pipeline.small import small_state, whole_run

LONG_AGO = timedelta(days=9 * 365)

#: With their run, by the publication of a later one: what a run works with.
WITH_THE_RUN = {
    "judged.enabled_tests",
    "judged.subjects",
    "judged.verdicts",
    "landing.calls",
    "landing.checkpoints",
    "landing.work_items",
}
#: By housekeeping, once they are older than policy keeps; with what makes a made-up row one that may go.
BY_HOUSEKEEPING: Mapping[str, Mapping[str, Any]] = {
    "compliance.changes": {},
    "compliance.daily_observations": {},
    "compliance.finding_records": {},
    "compliance.leaver_records": {"is_declared": False, "problem": None},
    "compliance.member_addresses": {},
    "compliance.member_history": {},
    "compliance.population_counts": {},
    "compliance.repository_history": {},
    "compliance.result_history": {"reason_code": "removed_or_invisible"},
    "compliance.stale_records": {},
    "integration.connection_events": {"event": "refreshed"},
    "integration.history_moves": {"day": lambda number: date.today() - LONG_AGO - timedelta(days=number)},
    "integration.notifications_sent": {},
    "integration.publications": {},
    "integration.pushes": {},
    "integration.refused_listings": {},
    "integration.request_ledger": {},
    "integration.run_steps": {},
    "integration.runs": {"status": "published"},
    "integration.webhook_events": {},
    "integration.webhook_gaps": {},
    "landing.objects": {},
    "quality.expectation_results": {},
    "quality.gate_outcomes": {},
    "registry.people": {"import_id": lambda number: number + 1},
}
#: A row an object of Bitbucket, a consumer or a test: whoever writes one does so in the place of the last one.
AS_MANY_AS_THERE_ARE = {
    "compliance.history_kept",
    "compliance.member_employment",
    "compliance.members",
    "compliance.reason_codes",
    "compliance.repositories",
    "compliance.results",
    "compliance.test_controls",
    "compliance.tests",
    "integration.key_origins",
    "integration.oauth_states",
    "integration.request_budgets",
    "integration.request_shares",
    "integration.schema_objects",
    "integration.schema_version",
    "integration.token_vault",
    "integration.webhook_secrets",
    "integration.webhooks",
    "integration.workspace_leases",
    "judged.configurations",
    "landing.looked_up_emails",
    "landing.repository_reads",
    "staging.branch_restrictions",
    "staging.branching_models",
    "staging.coverage",
    "staging.default_reviewers",
    "staging.granted_scopes",
    "staging.held_back",
    "staging.latest_pipelines",
    "staging.member_emails",
    "staging.members",
    "staging.merge_checks",
    "staging.pipelines_configs",
    "staging.repositories",
    "staging.workspaces",
}
#: For good: what people declared, decided and did, the record of it, and a short row a merge.
FOR_GOOD = {
    "compliance.exception_endings",
    "integration.audit_packages",
    "integration.console_audit",
    "integration.record_batches",
    "integration.record_links",
    "integration.record_rows",
    "integration.workspace_renamings",
    "registry.access_review_sign_offs",
    "registry.access_reviews",
    "registry.classification",
    "registry.classification_bindings",
    "registry.evidence",
    "registry.evidence_decisions",
    "registry.evidence_members",
    "registry.evidence_subjects",
    "registry.exception_decisions",
    "registry.exception_subjects",
    "registry.exceptions",
    "registry.finding_assignments",
    "registry.import_withdrawals",
    "registry.imports",
    "registry.persons",
    "registry.policy_decisions",
    "registry.policy_overrides",
    "registry.policy_versions",
    "registry.purge_decisions",
    "registry.purged",
    "registry.purges",
    "registry.reading_grant_endings",
    "registry.reading_grants",
    "registry.refused_rows",
    "registry.roster_mappings",
    "staging.pull_request_builds",
    "staging.pull_requests",
}
#: What makes sense of the other rows that are made up.
MADE_WITH_SENSE: Mapping[str, Mapping[str, Any]] = {
    "integration.audit_packages": {"error": None},
    "integration.token_vault": {"status_reason": None},
    "registry.import_withdrawals": {"import_id": lambda number: number + 10},
    "registry.imports": {"kind": "roster", "import_id": lambda number: number + 1},
    "registry.policy_overrides": {"body": "{}"},
}
#: Rows that an upgrade wrote, and a chain in which each link follows from the one before.
NOT_MADE_UP = {
    "integration.record_batches",
    "integration.record_links",
    "integration.record_rows",
    "integration.schema_objects",
    "integration.schema_version",
}


@pytest.fixture
def admin(postgres: EmbeddedPostgres, dsn: str) -> str:
    """Address of the fresh database for a superuser."""
    return postgres.uri(dsn.rsplit("/", 1)[1].split("?")[0], ADMIN_ROLE)


def counted(connection: Database, names: Iterable[str]) -> dict[str, int]:
    """Rows by table."""
    return {
        name: connection.execute(f"SELECT count(*) AS rows FROM {name}").fetchall()[0]["rows"]  # noqa: S608
        for name in names
    }


def test_of_every_table_it_is_decided_when_its_rows_go(database: Database) -> None:
    decided = [*WITH_THE_RUN, *BY_HOUSEKEEPING, *AS_MANY_AS_THERE_ARE, *FOR_GOOD]
    assert sorted(decided) == tables(database)


def test_housekeeping_deletes_old_rows_of_just_the_tables_that_it_is_to(admin: str) -> None:
    with without_triggers(admin) as connection:
        made = [name for name in tables(connection) if name not in NOT_MADE_UP]
        for name in made:
            values = {"run_id": name, **BY_HOUSEKEEPING.get(name, {}), **MADE_WITH_SENSE.get(name, {})}
            fill(connection, name, rows=3, age=LONG_AGO, values=values)
        connection.commit()
        before = counted(connection, made)
        assert all(before.values()), "a row of each was made up"
        connection.commit()
        housekeeping.forget_old()
        after = counted(connection, made)
    assert {name for name in made if after[name] < before[name]} == set(BY_HOUSEKEEPING)


@pytest.mark.parametrize(("kept", "left"), [(30, WITH_THE_RUN - {"landing.checkpoints"}), (1, set())])
def test_a_publication_deletes_what_older_runs_worked_with(
    pipeline: Pipeline,
    serve: Callable[[SandboxState], SandboxServer],
    admin: str,
    monkeypatch: pytest.MonkeyPatch,
    kept: int,
    left: set[str],
) -> None:
    monkeypatch.setattr(publish, "RUNS_KEPT", kept)
    with without_triggers(admin) as connection:
        for name in ("integration.runs", *WITH_THE_RUN):
            values = {"run_id": "long ago", "status": "published", "kind": "polling"}
            fill(connection, name, rows=1, age=timedelta(days=3), values=values)
    newest = whole_run(pipeline, serve(small_state(1)))
    runs = {
        name: {row["run_id"] for row in pipeline.query(f"SELECT DISTINCT run_id FROM {name}")}  # noqa: S608
        for name in WITH_THE_RUN
    }
    assert {name for name, found in runs.items() if "long ago" in found} == left
    assert runs["judged.enabled_tests"] >= {newest}, "and the newest run's stay"
