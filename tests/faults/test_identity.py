"""Whose an answer is: a repository is its uuid, whoever has its slug by now."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException

from bitbucket_compliance.core.database import connect
from bitbucket_compliance.registry.classification import withdraw
from sandbox import actions
from sandbox.model import Repository
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.faults.driver import RULE_TESTS, Driver, Verdict
from tests.pipeline.small import repository, small_state, write_csv
from tests.policies import put_in_force

Serve = Callable[[SandboxState], SandboxServer]
Quiet = Callable[..., Driver]

CLASSIFICATION = "target_type,target,classification,sensitivity,owner"


def unprotect(one: Repository) -> None:
    """No rule, no approval, no build."""
    one.restrictions = []
    for pull in one.pull_requests:
        pull.participants, pull.statuses = [], []


def take_over_slug(state: SandboxState, slug: str) -> Repository:
    """Rename a repository, and make another, well protected one under its slug."""
    workspace = state.workspaces[0]
    old = state.repository(slug)
    crew = [member.account for member in workspace.members]
    actions.rename_repository(state, slug, f"{slug}-old")
    made = repository(slug, crew, number=50)
    made.uuid, made.created_on = "{0000aaaa-0000-4000-8000-00000000beef}", state.clock()
    workspace.repositories.append(made)
    assert old.slug == f"{slug}-old"
    return made


def by_id(driver: Driver, repository_id: str) -> dict[str, Verdict]:
    rows = driver.query("SELECT * FROM compliance.current_results WHERE subject_id = %s", (repository_id,))
    return {row["test_id"]: (row["status"], row["basis"], row["reason_code"]) for row in rows}


@pytest.mark.parametrize("grant", ["admin", "five"])
def test_a_repository_passes_by_nothing_of_the_one_that_took_its_slug_over(
    driver: Driver, serve: Serve, grant: str
) -> None:
    server = serve(small_state(3))
    old = server.state.repository("repo-1")
    unprotect(old)
    driver.run(server, grant=grant, after_listing=lambda: take_over_slug(server.state, "repo-1") and None)
    first = by_id(driver, old.uuid)
    assert all(first[test][0] == "failing" for test in RULE_TESTS[:2]), first
    # The runs after it, which read what changed, hold that too; the new one is judged by what is its own.
    for _ in range(2):
        driver.run(server, grant=grant, full_refresh=False)
        assert by_id(driver, old.uuid) == first
    made = by_id(driver, server.state.repository("repo-1").uuid)
    assert made["peer_review_required"][0] == "passing"
    asked = {record.path.split("/")[4] for record in server.state.requests if record.slug}
    assert all(key.startswith("{") for key in asked), "no repository is asked for by its slug"


@pytest.mark.parametrize("endpoint", ["pull_requests", "pipelines", "pipelines_config"])
def test_an_answer_about_another_repository_is_an_error_of_that_call(
    driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, endpoint: str
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("tests: {pipelines_enabled: {enabled: true}}", encoding="utf-8")
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(policy))
    server = serve(small_state(3))
    other = server.state.repository("repo-2")
    server.state.add_fault(endpoint, kind="of_another", slug="repo-1", body="repo-2")
    driver.run(server)
    (call,) = driver.query("SELECT * FROM landing.calls WHERE outcome <> 'ok' AND repository_id <> ''")
    assert (call["resource"], call["outcome"]) == (endpoint, "failed")
    assert other.uuid in call["message"] and "was not asked for" in call["message"]
    assert driver.query("SELECT 1 FROM landing.objects WHERE repository_id = %s", (other.uuid,))
    repo_1 = server.state.repository("repo-1").uuid
    assert not driver.query(
        "SELECT 1 FROM landing.objects WHERE repository_id = %s AND resource = %s", (repo_1, endpoint)
    )


def test_a_repository_made_again_under_its_slug_stops_nothing(driver: Driver, serve: Serve) -> None:
    server = serve(small_state(12))
    driver.run(server, gates=True)
    workspace = server.state.workspaces[0]
    old = server.state.repository("repo-1")
    workspace.repositories.remove(old)
    made = repository("repo-1", [member.account for member in workspace.members], number=60)
    made.uuid = "{0000aaaa-0000-4000-8000-00000000beef}"
    workspace.repositories.append(made)
    server.state.add_fault("repositories", kind="wrong_size")
    driver.run(server, gates=True)
    assert (
        driver.query("SELECT status FROM compliance.runs ORDER BY started_at DESC LIMIT 1")[0]["status"] == "published"
    )
    assert by_id(driver, made.uuid)["peer_review_required"][0] == "passing"
    assert by_id(driver, old.uuid)["peer_review_required"][0] == "error", "it is asked for, and is not there"


def test_an_entry_by_slug_means_the_repository_that_it_met(driver: Driver, serve: Serve, tmp_path: Path) -> None:
    server = serve(small_state(3))
    old = server.state.repository("repo-1")
    driver.run(server)
    declared = write_csv(tmp_path / "c.csv", CLASSIFICATION, [("repository", "repo-1", "non_production", "", "Ada")])
    driver.take("classification", declared)
    # Whether a run saw the entry before the slug changes hands or not.
    made = take_over_slug(server.state, "repo-1")
    for _ in range(2):
        driver.run(server)
        driver.take("classification", declared)
        assert by_id(driver, old.uuid)["repo_classified"][2] == "classified"
        assert by_id(driver, old.uuid)["peer_review_required"][2] == "non_production"
        assert by_id(driver, made.uuid)["repo_classified"][2] == "unclassified"
        assert by_id(driver, made.uuid)["peer_review_required"][2] != "non_production"
    (row,) = driver.query(
        "SELECT reason FROM compliance.current_results WHERE test_id = 'repo_classified' AND subject_id = %s",
        (made.uuid,),
    )
    assert old.uuid in row["reason"] and made.uuid in row["reason"] and "repo-1" in row["reason"]
    # By its uuid the other one can be declared too.
    own = write_csv(tmp_path / "d.csv", CLASSIFICATION, [("repository", made.uuid, "production", "", "Bo")])
    driver.take("classification", own)
    driver.run(server)
    assert by_id(driver, made.uuid)["repo_classified"][2] == "classified"
    assert by_id(driver, old.uuid)["peer_review_required"][2] == "non_production"


def test_an_entry_declared_before_anything_was_read_means_whom_the_first_run_finds(
    driver: Driver, serve: Serve, tmp_path: Path
) -> None:
    server = serve(small_state(3))
    old = server.state.repository("repo-1")
    rows = [("repository", "REPO-1", "non_production", "", "Ada"), ("pattern", "repo-*", "production", "", "Bo")]
    driver.connect_to(server)
    driver.take("classification", write_csv(tmp_path / "c.csv", CLASSIFICATION, rows))
    driver.run(server)
    assert by_id(driver, old.uuid)["peer_review_required"][2] == "non_production"
    made = take_over_slug(server.state, "repo-1")
    driver.run(server)
    assert by_id(driver, old.uuid)["peer_review_required"][2] == "non_production"
    assert by_id(driver, made.uuid)["repo_classified"][2] == "classified", "the pattern is about slugs, whose they are"
    assert by_id(driver, made.uuid)["peer_review_required"][0] == "passing"


def test_an_entry_taken_back_and_declared_again_means_whoever_has_the_slug_then(
    driver: Driver, serve: Serve, tmp_path: Path
) -> None:
    server = serve(small_state(3))
    old = server.state.repository("repo-1")
    declared = write_csv(tmp_path / "c.csv", CLASSIFICATION, [("repository", "repo-1", "non_production", "", "Ada")])
    driver.run(server)
    driver.take("classification", declared)
    made = take_over_slug(server.state, "repo-1")
    driver.run(server)
    with connect() as connection:
        withdraw(connection, "repository", "repo-1", withdrawn_by="os:ada")
    driver.take("classification", declared)
    driver.run(server)
    assert by_id(driver, made.uuid)["peer_review_required"][2] == "non_production"
    assert by_id(driver, old.uuid)["repo_classified"][2] == "unclassified"


def test_what_is_declared_of_a_slug_that_changed_hands_is_said_of_whoever_has_it_then(
    driver: Driver, serve: Serve, tmp_path: Path
) -> None:
    server = serve(small_state(3))
    old = server.state.repository("repo-1")

    def declared(classification: str, owner: str = "Ada") -> None:
        row = ("repository", "repo-1", classification, "", owner)
        driver.take("classification", write_csv(tmp_path / "c.csv", CLASSIFICATION, [row]))

    def reviewed(repository_id: str) -> str:
        return by_id(driver, repository_id)["peer_review_required"][0]

    driver.connect_to(server)
    declared("production")
    driver.run(server)
    made = take_over_slug(server.state, "repo-1")
    driver.run(server)
    declared("production", owner="Bo")
    driver.run(server)
    assert by_id(driver, made.uuid)["repo_classified"][2] == "unclassified", "another owner means no other repository"
    declared("non_production")
    driver.run(server)
    assert (reviewed(old.uuid), reviewed(made.uuid)) == ("passing", "not_applicable")
    assert by_id(driver, old.uuid)["repo_classified"][2] == "classified"
    # What nobody has any more goes on to mean whom it meant.
    actions.rename_repository(server.state, "repo-1", "repo-1-new")
    driver.run(server)
    declared("production")
    driver.run(server)
    assert (reviewed(old.uuid), reviewed(made.uuid)) == ("passing", "passing")


def test_another_workspace_under_the_slug_is_not_this_one(driver: Driver, serve: Serve) -> None:
    """The workspace was deleted, and another one made under its slug."""
    server = serve(small_state(3))
    driver.run(server)
    before = driver.verdicts()
    server.state.workspaces[0].uuid = "{0000bbbb-0000-4000-8000-00000000beef}"
    with pytest.raises(AirflowFailException, match="another one is kept under this slug"):
        driver.run(server)
    # Nor where the role does not tell which workspace it is in.
    server.state.add_fault("user_workspace_permission", status=403)
    with pytest.raises(Exception, match="was not asked for"):
        driver.run(server)
    assert driver.verdicts() == before


@pytest.mark.parametrize("named", ["ACME", "  Acme ", "uuid", "UUID", "uuid without braces"])
def test_a_workspace_is_its_uuid_however_it_is_named(driver: Driver, serve: Serve, named: str) -> None:
    server = serve(small_state(2))
    uuid = server.state.workspaces[0].uuid
    other = {"uuid": uuid, "UUID": uuid.upper(), "uuid without braces": uuid.strip("{}")}.get(named, named)
    if named in ("ACME", "uuid"):
        driver.run(server, other)
        driver.run(server)
    else:
        driver.run(server)
        driver.run(server, other)
    assert {row["workspace"] for row in driver.query("SELECT workspace FROM compliance.current_results")} == {"acme"}
    assert driver.query("SELECT count(*) AS n FROM compliance.repositories")[0]["n"] == 2
    assert {row["workspace"] for row in driver.query("SELECT workspace FROM landing.calls")} == {"acme"}
    assert driver.query("SELECT * FROM integration.workspace_leases") == []
    statuses = [row["status"] for row in driver.query("SELECT status FROM compliance.runs")]
    assert statuses == ["published", "published"]


@pytest.mark.parametrize(("named", "role"), [("acme-group", 200), ("acme", 200), ("acme-group", 403)])
def test_a_renamed_workspace_goes_on_as_it_was(
    driver: Driver, serve: Serve, tmp_path: Path, named: str, role: int
) -> None:
    server = serve(small_state(2))
    unprotect(server.state.repository("repo-1"))
    driver.connect_to(server)
    rows = [("repository", "repo-0", "non_production", "", "Ada", "acme")]
    driver.take("classification", write_csv(tmp_path / "c.csv", f"{CLASSIFICATION},workspace", rows))
    with connect() as connection:
        put_in_force(connection, "acme", {"tests": {"pipelines_enabled": {"enabled": True, "severity": "high"}}})
    driver.run(server)
    ordered = (
        "SELECT test_id, subject_id, policy_version, status, reason_code, status_since, failing_since, due_at,"
        " first_seen_at FROM compliance.current_results ORDER BY test_id, subject_id"
    )
    before, intervals = driver.query(ordered), driver.query("SELECT * FROM compliance.result_history")
    server.state.workspaces[0].slug = "acme-group"
    if role != 200:
        server.state.add_fault("user_workspace_permission", status=role)
    for _ in range(2):
        driver.run(server, named)
        assert driver.query(ordered) == before
    published = driver.query("SELECT DISTINCT workspace FROM compliance.current_results")
    assert [row["workspace"] for row in published] == ["acme-group"]
    assert driver.query("SELECT count(*) AS n FROM compliance.repositories")[0]["n"] == 2
    assert len(driver.query("SELECT 1 FROM compliance.result_history")) == len(intervals), "nothing began anew"
    assert driver.query("SELECT 1 FROM compliance.result_history WHERE workspace = 'acme'") == []
    (noted,) = driver.query("SELECT old_slug, new_slug FROM integration.workspace_renamings")
    assert noted == {"old_slug": "acme", "new_slug": "acme-group"}
    # What must not be changed is guarded as before.
    with psycopg.connect(driver.dsn) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("UPDATE registry.classification SET owner = 'somebody else'")
