"""One definition a resource: what the pipeline reads follows from it, from the enabled tests and from the inventory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bitbucket_cloud.client.endpoints import ENDPOINTS
from bitbucket_compliance.core.database import PACKAGE
from bitbucket_compliance.pipeline.extract.selection import announced_events, wanted
from bitbucket_compliance.policy.model import Policy
from bitbucket_compliance.resources.catalogue import BY_NAME, OF_SAMPLES, RESOURCES
from bitbucket_compliance.security_tests import CATALOGUE
from bitbucket_compliance.security_tests.policies import load_policy
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.documents.resources import TARGET, document
from tests.harness import Pipeline
from tests.pipeline.small import ACME, small_state, statuses, whole_run

Serve = Callable[[SandboxState], SandboxServer]

#: what the inventory holds besides what Bitbucket told: keys, what people declared, and when it was read
NOT_READ = {
    "repositories": {"workspace", "workspace_id", "repository_id", "classification", "sensitivity", "owner"},
    "members": {"workspace", "workspace_id", "member_id", "repositories_reachable", "needs_review"},
}


def test_every_row_names_an_endpoint_that_can_be_reached_and_a_staging_file_that_is_there() -> None:
    assert len(BY_NAME) == len(RESOURCES)
    for resource in (*RESOURCES, *OF_SAMPLES):
        assert resource.endpoint in ENDPOINTS, resource.name
        assert resource.table is None or (PACKAGE / f"pipeline/stage/{resource.table}.sql").is_file(), resource.name
        assert resource.asked_after is None or resource.asked_after in BY_NAME, resource.name


def test_every_basis_of_a_test_rests_on_resources_of_the_catalogue() -> None:
    for test in CATALOGUE:
        assert {name for names in test.bases.values() for name in names} <= set(BY_NAME), test.test_id


@pytest.mark.parametrize("table", ["repositories", "members"])
def test_every_column_of_the_inventory_has_the_resources_that_fill_it(pipeline: Pipeline, table: str) -> None:
    rows = pipeline.query(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'compliance' AND table_name = %s",
        (table,),
    )
    columns = {row["column_name"] for row in rows} - {"data_as_of"} - NOT_READ[table]
    filled = {column for resource in RESOURCES for column in resource.fills}
    assert {column.partition(".")[2] for column in filled if column.startswith(f"{table}.")} == columns


def switched_off(folder: Path, patch: pytest.MonkeyPatch, *test_ids: str) -> Policy:
    """The policy without these tests, for this process and for what it starts."""
    path = folder / "policy.yaml"
    path.write_text("tests: {" + ", ".join(f"{test_id}: {{enabled: false}}" for test_id in test_ids) + "}\n")
    patch.setenv("COMPLIANCE_POLICY_FILE", str(path))
    return load_policy()


def test_what_nobody_judges_is_read_only_where_the_inventory_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = {resource.name for resource in wanted(load_policy())}
    assert everything == set(BY_NAME) - {"identity_role", "repository"}, "one at the start, one for events"
    policy = switched_off(tmp_path, monkeypatch, *(test.test_id for test in CATALOGUE))
    assert everything - {resource.name for resource in wanted(policy)} == {
        "pull_request_statuses",
        "merge_checks",
        "default_reviewers",
        "main_branch_ref",
        "pull_request_activity",
    }


def test_builds_are_not_asked_for_where_the_test_that_rests_on_them_is_switched_off(
    pipeline: Pipeline, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(small_state(2))
    switched_off(tmp_path, monkeypatch, "status_checks_required")
    whole_run(pipeline, server, grant="five")
    assert server.state.count("pull_request_statuses") == 0
    assert server.state.count("pull_requests") == server.state.count("pipelines") == 2, "the inventory shows them"
    assert "status_checks_required" not in statuses(pipeline, "repo-0")
    monkeypatch.delenv("COMPLIANCE_POLICY_FILE")
    whole_run(pipeline, server, grant="five", touched=False)
    assert server.state.count("pull_request_statuses") == 2 * 3, "a policy that asks for more reads again"


def test_events_are_announced_of_what_an_enabled_test_rests_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    every = set(announced_events(load_policy()))
    assert {"repo:updated", "pullrequest:fulfilled"} <= every
    assert not any(event.startswith("repo:commit_status") for event in every), "no enabled test rests on pipelines"
    merging = ("status_checks_required", "peer_review_required")
    policy = switched_off(tmp_path, monkeypatch, *merging)
    of_pull_requests = {event for event in every if event.startswith("pullrequest:")}
    assert every - set(announced_events(policy)) == of_pull_requests, "pushes tell of rewritten history too"
    policy = switched_off(tmp_path, monkeypatch, *merging, "branch_protection_enforced")
    assert every - set(announced_events(policy)) == {*of_pull_requests, "repo:push"}


def test_what_is_staged_of_a_repository_is_forgotten_when_it_leaves(pipeline: Pipeline, serve: Serve) -> None:
    server = serve(small_state(3))
    whole_run(pipeline, server)
    gone = server.state.workspaces[0].repositories.pop()
    whole_run(pipeline, server)
    tables: list[Any] = [resource.table for resource in RESOURCES if resource.of == "repository" and resource.table]
    for table in [*tables, "coverage"]:
        statement = f"SELECT DISTINCT repository_id FROM staging.{table} WHERE workspace = %s"  # noqa: S608 - of ours
        rows = pipeline.query(statement, (ACME,))
        assert gone.uuid not in {row["repository_id"] for row in rows}, table


def test_the_page_of_resources_is_the_generated_one() -> None:
    assert TARGET.read_text(encoding="utf-8") == document(), "run make docs"
