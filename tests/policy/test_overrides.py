"""Rules of a workspace's own policy: what goes over what, what is refused, and who set it when."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from bitbucket_compliance.core.errors import PolicyInvalid
from bitbucket_compliance.pipeline.run.lifecycle import finish_run, start_run
from bitbucket_compliance.pipeline.run.task_frame import task_frame
from bitbucket_compliance.policy.overrides import history
from bitbucket_compliance.security_tests.policies import DELIVERED, differences, policy_of, set_override
from tests.conftest import Database
from tests.policies import put_in_force
from tests.security_tests.builders import World


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A policy file that COMPLIANCE_POLICY_FILE names; empty until the test writes it."""
    path = tmp_path / "policy.yaml"
    path.touch()
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(path))
    return path


@pytest.fixture(autouse=True)
def _no_policy_of_the_person_who_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMPLIANCE_POLICY_FILE", raising=False)


def change(database: Database, workspace: str, text: str, reason: str | None = "why") -> None:
    put_in_force(database, workspace, yaml.safe_load(text) or {}, reason)


def stored(database: Database) -> list[dict[str, Any]]:
    return database.execute("SELECT * FROM registry.policy_overrides ORDER BY override_id").fetchall()


# ---------------------------------------------------------------------- layers


def test_a_workspace_goes_over_the_file_and_the_file_over_the_defaults(database: Database, file: Path) -> None:
    file.write_text("thresholds: {min_approvals: 2, behaviour_window_days: 30}")
    change(database, "acme", "thresholds: {min_approvals: 3}\ntests: {pipelines_enabled: {enabled: true}}")
    policy = policy_of(database, "acme")
    assert policy.thresholds.min_approvals == 3
    assert policy.thresholds.behaviour_window_days == 30
    assert policy.thresholds.min_passing_builds == 1
    assert policy.enabled("pipelines_enabled")
    assert policy.tests["pipelines_enabled"].severity == "medium"


def test_other_workspaces_and_none_in_particular_keep_the_file(database: Database, file: Path) -> None:
    file.write_text("thresholds: {min_approvals: 2}")
    change(database, "acme", "thresholds: {min_approvals: 3}")
    assert policy_of(database, "beta").thresholds.min_approvals == 2
    assert policy_of(database, None).thresholds.min_approvals == 2


def test_capitals_and_padding_name_no_other_workspace(database: Database) -> None:
    change(database, " ACME ", "thresholds: {min_approvals: 3}")
    assert policy_of(database, "Acme").thresholds.min_approvals == 3
    database.execute(
        "INSERT INTO registry.policy_overrides (workspace, body, set_by) VALUES ('Acme', %s, 'os:hand')",
        (Jsonb({"thresholds": {"min_approvals": 4}}),),
    )
    assert policy_of(database, "acme").thresholds.min_approvals == 4
    assert [override.set_by for override in history(database, "aCME")] == ["os:hand", "os:ada"]


def test_what_is_set_takes_the_place_of_all_that_was_set_before(database: Database) -> None:
    change(database, "acme", "thresholds: {min_approvals: 3}")
    change(database, "acme", "thresholds: {min_passing_builds: 2}")
    policy = policy_of(database, "acme")
    assert (policy.thresholds.min_approvals, policy.thresholds.min_passing_builds) == (1, 2)


@pytest.mark.parametrize(
    "nothing", ["", "{}", "thresholds: {}", "thresholds: {min_approvals: }", "tests:\nthresholds:\n"]
)
def test_nothing_takes_it_back(database: Database, nothing: str) -> None:
    change(database, "acme", "thresholds: {min_approvals: 3}")
    change(database, "acme", nothing)
    assert policy_of(database, "acme") == DELIVERED
    assert [row["body"] for row in stored(database)] == [{"thresholds": {"min_approvals": 3}}, {}]


names = st.sampled_from(["min_approvals", "min_passing_builds", "due_days_high"])
layers = st.dictionaries(names, st.integers(1, 50), max_size=3)


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(of_file=layers, of_workspace=layers, of_another=layers)
def test_each_key_is_the_last_layers_that_names_it(
    database: Database, file: Path, of_file: dict[str, int], of_workspace: dict[str, int], of_another: dict[str, int]
) -> None:
    file.write_text(yaml.safe_dump({"thresholds": of_file}))
    change(database, "beta", yaml.safe_dump({"thresholds": of_another}))
    change(database, "acme", yaml.safe_dump({"thresholds": of_workspace}))
    expected = DELIVERED.thresholds.model_dump() | of_file | of_workspace
    assert policy_of(database, "acme").thresholds.model_dump() == expected


# --------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("thresholds: {min_approvals: 0}", "thresholds.min_approvals"),
        ("thresholds: {min_aprovals: 1}", "thresholds.min_aprovals: unknown key"),
        ("tests: {repo_clasified: {enabled: true}}", "tests.repo_clasified"),
        ("thresholds: {a: 1}", "thresholds"),
        ("thresholds: 5", "thresholds"),
        ("thresholds: {behaviour_min_sample: 6}", "thresholds.behaviour_min_sample (6)"),
        ("thresholds: {reread_hours: 72}", "thresholds.reread_hours (72)"),
    ],
)
def test_what_cannot_be_used_is_refused_when_it_is_set_and_nothing_is_stored(
    database: Database, text: str, named: str
) -> None:
    with pytest.raises(PolicyInvalid) as error:
        change(database, "Acme", text)
    assert str(error.value).startswith("workspace acme: ")
    assert named in str(error.value) and "\n" not in str(error.value)
    assert stored(database) == []


def test_a_contradiction_that_the_file_brought_does_not_keep_a_workspace_from_its_own(
    database: Database, file: Path
) -> None:
    file.write_text("thresholds: {reread_hours: 100}")
    change(database, "acme", "thresholds: {min_approvals: 3}")
    assert policy_of(database, "acme").thresholds.min_approvals == 3


def test_an_override_for_no_workspace_is_refused(database: Database) -> None:
    with pytest.raises(PolicyInvalid, match="slug"):
        change(database, "  ", "thresholds: {min_approvals: 3}")


@pytest.mark.parametrize("body", [{"thresholds": {"gone": 1}}, {"thresholds": {"min_approvals": 0}}, [], "words", 7])
def test_a_row_that_became_invalid_stops_the_run_and_names_the_way_out(database: Database, body: object) -> None:
    database.execute(
        "INSERT INTO registry.policy_overrides (workspace, body, set_by) VALUES ('acme', %s, 'os:ada')", (Jsonb(body),)
    )
    with pytest.raises(PolicyInvalid, match=r"^workspace acme: .*make policy WORKSPACE=acme FILE=") as error:
        start_run("acme", "run 1")
    assert "\n" not in str(error.value)
    assert database.execute("SELECT 1 FROM integration.workspace_leases").fetchall() == []
    assert database.execute("SELECT 1 FROM integration.runs").fetchall() == []
    start_run("beta", "run 2")
    change(database, "acme", "{}")
    start_run("acme", "run 3")


def test_a_broken_file_is_named_as_the_file_not_as_the_workspace(database: Database, file: Path) -> None:
    change(database, "acme", "thresholds: {min_approvals: 3}")
    file.write_text("thresholds: {min_approvals: 0}")
    with pytest.raises(PolicyInvalid) as error:
        policy_of(database, "acme")
    assert str(error.value).startswith(str(file))


# --------------------------------------------------------------------- history


def test_who_set_what_when_and_why_is_kept_with_its_end(database: Database) -> None:
    change(database, "acme", "thresholds: {min_approvals: '3'}", "two pairs of eyes")
    change(database, "acme", "{}", None)
    newest, first = history(database, "acme")
    assert (first.body, first.set_by, first.reason) == (
        {"thresholds": {"min_approvals": 3}},
        "os:ada",
        "two pairs of eyes",
    )
    assert (newest.body, newest.reason, newest.valid_to) == ({}, None, None)
    assert first.valid_to is not None and first.valid_to >= newest.set_at
    assert newest.accepted_by == "os:bo"
    assert history(database, "beta") == []


def test_setting_what_is_in_force_already_adds_nothing(database: Database) -> None:
    change(database, "acme", "{}")
    change(database, "acme", "thresholds: {min_approvals: 3}")
    change(database, "ACME", "thresholds: {min_approvals: 3, min_passing_builds: }")
    assert len(stored(database)) == 1


def test_an_override_is_as_old_as_its_turn_not_as_its_transaction(dsn: str) -> None:
    from psycopg.rows import dict_row

    with psycopg.connect(dsn, row_factory=dict_row) as early, psycopg.connect(dsn, row_factory=dict_row) as late:
        early.execute("SELECT 1")  # its clock stands from here on
        set_override(late, "acme", {"thresholds": {"min_approvals": 2}}, set_by="os:late")
        late.commit()
        set_override(early, "acme", {"thresholds": {"min_approvals": 3}}, set_by="os:early")
        early.commit()
        newest, first = history(early, "acme")
    assert (newest.set_by, first.set_by) == ("os:early", "os:late")
    assert first.set_at < newest.set_at


def test_a_key_that_differs_is_told_with_the_layer_that_decided_it(database: Database, file: Path) -> None:
    file.write_text(
        "thresholds: {min_approvals: 2, time_zone: Europe/Berlin}\ntests: {pipelines_enabled: {enabled: true}}"
    )
    change(database, "acme", "thresholds: {min_approvals: 3}\ntests: {pipelines_enabled: {enabled: false}}")
    told = {found.key: (found.value, found.default, found.source) for found in differences(database, "acme")}
    assert told == {
        "thresholds.min_approvals": (3, 1, "workspace acme"),
        "thresholds.time_zone": ("Europe/Berlin", "UTC", "COMPLIANCE_POLICY_FILE"),
        "tests.pipelines_enabled.enabled": (False, False, "workspace acme"),
    }
    assert {found.key for found in differences(database, "beta")} == set(told)


# ------------------------------------------------------------------------ runs


def test_each_run_goes_by_its_workspaces_policy_and_names_its_version(database: Database) -> None:
    change(database, "Acme", "thresholds: {min_approvals: 2}\ntests: {pipelines_enabled: {enabled: true}}")
    versions = {}
    for workspace in ("acme", "beta"):
        start_run(workspace, f"run of {workspace}")
        with task_frame("look", workspace, f"run of {workspace}") as (_, run):
            versions[workspace] = run.policy_version
            assert run.policy == policy_of(database, workspace)
            assert run.policy_version == run.policy.version
        finish_run(workspace, f"run of {workspace}")
    assert versions["acme"] != versions["beta"] == DELIVERED.version
    kept = database.execute("SELECT body FROM registry.policy_versions WHERE policy_version = %s", (versions["acme"],))
    row = kept.fetchone()
    assert row is not None and row["body"]["thresholds"]["min_approvals"] == 2


def test_a_run_keeps_the_policy_that_it_started_with(database: Database) -> None:
    start_run("acme", "run 1")
    change(database, "acme", "thresholds: {min_approvals: 2}")
    with task_frame("look", "acme", "run 1") as (_, run):
        assert run.policy.thresholds.min_approvals == 1


def test_numbers_that_contradict_each_other_are_told_at_every_run(
    database: Database, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_text("thresholds: {reread_hours: 100}")
    with caplog.at_level(logging.WARNING, "bitbucket_compliance.pipeline.run.lifecycle"):
        start_run("acme", "run 1")
    assert "thresholds.reread_hours (100)" in caplog.text


def test_a_verdict_follows_the_policy_of_its_workspace(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(database, tmp_path, monkeypatch)
    world.repository("pay").rule("require_approvals_to_merge", value=1).rule("enforce_merge_checks")
    assert world.judge("peer_review_required")["pay"]["status"] == "passing"
    change(database, "acme", "thresholds: {min_approvals: 2}")
    assert world.judge("peer_review_required")["pay"]["status"] == "failing"
    change(database, "acme", "tests: {peer_review_required: {enabled: false}}")
    assert world.judge("peer_review_required") == {}


def test_the_summary_says_of_each_workspace_what_its_own_policy_asks_for(database: Database) -> None:
    change(database, "acme", "tests: {pipelines_enabled: {enabled: true, severity: high}}")
    for workspace in ("acme", "beta"):
        start_run(workspace, f"run of {workspace}")
        finish_run(workspace, f"run of {workspace}")
    database.execute("UPDATE integration.runs SET status = 'published'")
    rows = database.execute(
        "SELECT workspace, enabled, severity, status FROM compliance.test_summary"
        " WHERE test_id = 'pipelines_enabled' ORDER BY 1"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("acme", True, "high", "not_applicable"),
        ("beta", False, "medium", "not_run"),
    ]
