"""A refusal says no more than it says: 401 of one path, 410, 408 and answers that state fewer scopes than there are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowFailException

from sandbox.endpoints import ENDPOINTS
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.faults.driver import RULE_TESTS, Driver, with_errors
from tests.pipeline.small import small_state

Serve = Callable[[SandboxState], SandboxServer]
Quiet = Callable[..., Driver]

CREDENTIALS = "enter its credentials again"


def refuse_token(state: SandboxState) -> None:
    for endpoint in ENDPOINTS:
        state.add_fault(endpoint.name, status=401)


def reasons(driver: Driver, code: str) -> list[str]:
    rows = driver.query("SELECT reason FROM compliance.current_results WHERE reason_code = %s", (code,))
    return [row["reason"] for row in rows]


@pytest.mark.parametrize(("grant", "endpoint"), [("admin", "branch_restrictions"), ("five", "pull_requests")])
def test_a_401_on_one_path_is_an_error_of_that_repository_alone(
    driver: Driver, quiet: Quiet, serve: Serve, grant: str, endpoint: str
) -> None:
    calm = quiet(small_state(), grant=grant)
    server = serve(small_state())
    server.state.add_fault(endpoint, status=401, slug="repo-1")
    driver.run(server, grant=grant)
    unread = [(test, "repo-1") for test in RULE_TESTS]
    if endpoint == "pull_requests":
        unread.remove(("branch_protection_enforced", "repo-1"))
    assert driver.verdicts() == with_errors(calm.verdicts(), *unread)
    told = reasons(driver, "extract_failed")
    assert told and all("takes it elsewhere" in reason and CREDENTIALS not in reason for reason in told)


@pytest.mark.parametrize("endpoint", ["user_workspace_permission", "workspace_permissions"])
def test_a_401_on_roles_leaves_them_unknown_and_the_run_goes_on(
    driver: Driver, quiet: Quiet, serve: Serve, endpoint: str
) -> None:
    calm = quiet(small_state())
    server = serve(small_state())
    server.state.add_fault(endpoint, status=401)
    driver.run(server)
    assert driver.verdicts() == calm.verdicts()
    if endpoint == "workspace_permissions":
        assert {row["role"] for row in driver.query("SELECT role FROM compliance.members")} == {None}


def test_a_token_that_is_refused_on_every_path_ends_the_run(driver: Driver, serve: Serve) -> None:
    server = serve(small_state())
    refuse_token(server.state)
    with pytest.raises(AirflowFailException, match=CREDENTIALS):
        driver.run(server)


def test_a_token_revoked_between_listing_and_reading_ends_the_run(driver: Driver, serve: Serve) -> None:
    server = serve(small_state())
    with pytest.raises(AirflowFailException, match=CREDENTIALS):
        driver.run(server, after_listing=lambda: refuse_token(server.state))
    assert driver.verdicts() == {}


def test_a_listing_without_which_no_run_goes_on_is_named_where_it_refuses_the_token(
    driver: Driver, serve: Serve
) -> None:
    server = serve(small_state())
    server.state.add_fault("repositories", status=401)
    with pytest.raises(Exception, match="could not be read") as caught:
        driver.run(server)
    assert CREDENTIALS not in str(caught.value) and "takes it elsewhere" in str(caught.value)


def test_pipelines_taken_out_of_service_is_no_repository_without_them(
    driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("tests: {pipelines_enabled: {enabled: true}}", encoding="utf-8")
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(policy))
    server = serve(small_state(2))
    server.state.add_fault("pipelines_config", status=410)
    driver.run(server)
    verdicts = driver.verdicts()
    assert {verdicts[("pipelines_enabled", f"repo-{n}")][::2] for n in range(2)} == {("error", "extract_failed")}
    for reason in reasons(driver, "extract_failed"):
        assert "pipelines_config out of service" in reason and "update this pipeline" in reason


@pytest.mark.parametrize("endpoint", ["branch_restrictions", "effective_branching_model", "pull_requests", "pipelines"])
def test_whatever_is_taken_out_of_service_never_turns_into_a_failure_or_a_pass(
    driver: Driver, quiet: Quiet, serve: Serve, endpoint: str
) -> None:
    calm = quiet(small_state(2)).verdicts()
    server = serve(small_state(2))
    server.state.add_fault(endpoint, status=410)
    driver.run(server)
    for key, verdict in driver.verdicts().items():
        assert verdict == calm[key] or verdict[0] == "error"


def test_a_workspace_whose_listing_is_out_of_service_exists(driver: Driver, serve: Serve) -> None:
    server = serve(small_state(2))
    server.state.add_fault("repositories", status=410)
    with pytest.raises(Exception, match="update this pipeline") as caught:
        driver.run(server)
    assert "does not exist" not in str(caught.value)


def test_the_role_of_the_identity_out_of_service_stops_nothing(driver: Driver, quiet: Quiet, serve: Serve) -> None:
    calm = quiet(small_state(2))
    server = serve(small_state(2))
    server.state.add_fault("user_workspace_permission", status=410)
    driver.run(server)
    assert driver.verdicts() == calm.verdicts()


@pytest.mark.parametrize("status", [408, 425, 499])
def test_a_status_that_says_not_in_time_is_asked_again(driver: Driver, quiet: Quiet, serve: Serve, status: int) -> None:
    calm = quiet(small_state(2))
    server = serve(small_state(2))
    for endpoint in ("branch_restrictions", "pull_requests", "repositories", "access_token"):
        server.state.add_fault(endpoint, status=status, body="<html>Request Timeout</html>", remaining=1)
    driver.run(server)
    assert driver.verdicts() == calm.verdicts()


@pytest.mark.parametrize("grant", ["admin", "five"])
@pytest.mark.parametrize("endpoint", ["pipelines", "user_workspace_permission"])
def test_an_answer_that_states_fewer_scopes_takes_none_away(
    driver: Driver, quiet: Quiet, serve: Serve, grant: str, endpoint: str
) -> None:
    calm = quiet(small_state(12), grant=grant)
    server = serve(small_state(12))
    server.state.add_fault(endpoint, kind="fewer_scopes")
    driver.run(server, grant=grant)
    assert driver.verdicts() == calm.verdicts()
    runs = driver.query("SELECT scopes_granted, bases_available FROM compliance.runs ORDER BY started_at")
    told = calm.query("SELECT scopes_granted, bases_available FROM compliance.runs ORDER BY started_at")
    assert runs[-1] == told[-1]
