"""Preflight: one request that tells what the rest of a run may ask, and what can be decided by it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bitbucket_compliance.pipeline.extract.preflight import bases_available
from bitbucket_compliance.security_tests import BY_ID, CATALOGUE
from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from sandbox.process import SandboxServer
from sandbox.state import FIVE_SCOPES, SandboxState, closure
from tests.harness import Pipeline
from tests.pipeline.small import ACME, FAST, small_state, start, whole_run

Serve = Callable[[SandboxState], SandboxServer]

FIVE = closure(FIVE_SCOPES)


@pytest.fixture
def acme(serve: Serve) -> SandboxServer:
    return serve(small_state(2))


def flown(pipeline: Pipeline, server: SandboxServer, grant: str = "five", **extra: object) -> dict[str, object]:
    """Preflight alone; what compliance.runs shows then."""
    pipeline.connect_to(server, grant, **{**FAST, **extra})
    run_id = start()
    tasks.preflight(ACME, run_id)
    rows = pipeline.query("SELECT * FROM compliance.runs WHERE run_id = %s", (run_id,))
    pipeline.release(ACME)
    return rows[0]


def test_one_request_tells_scopes_role_and_what_can_be_decided(
    pipeline: Pipeline, acme: SandboxServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    row = flown(pipeline, acme)
    assert [record.endpoint for record in acme.state.requests] == ["access_token", "user_workspace_permission"]
    assert set(row["scopes_granted"]) == FIVE, "implied scopes are left out of the header and added again"  # type: ignore[call-overload]
    assert row["identity_role"] == "owner"
    assert row["bases_available"]["branch_protection_enforced"] == {"configuration": "scope repository:admin"}  # type: ignore[index]
    assert row["bases_available"]["status_checks_required"]["behaviour"] is None  # type: ignore[index]
    assert row["bases_available"]["status_checks_required"]["configuration"] is None  # type: ignore[index]
    for test_id in ("status_checks_required", "peer_review_required"):
        assert f"{test_id} is decided by the merge checks of an open pull request where there is one" in caplog.text
    wanting = "branch_protection_enforced can't be decided by configuration: scope repository:admin would change that"
    assert wanting in caplog.text
    assert "pipelines_enabled can't" not in caplog.text, "a test that is switched off decides nothing"


def test_an_identity_that_owns_no_workspace_is_shown_as_member(pipeline: Pipeline, acme: SandboxServer) -> None:
    acme.state.add_consumer("guest", "guest-secret", FIVE_SCOPES, workspace_admin=False)
    assert flown(pipeline, acme, "guest")["identity_role"] == "member"


@pytest.mark.parametrize("status", [500, 200])
def test_a_role_that_can_not_be_read_stops_nothing(pipeline: Pipeline, acme: SandboxServer, status: int) -> None:
    acme.state.add_fault("user_workspace_permission", status=status, body="[]")
    whole_run(pipeline, acme)
    assert pipeline.verdicts(ACME)["peer_review_required", "repo-0"][0] == "passing"
    [row] = pipeline.query("SELECT identity_role, scopes_granted FROM integration.runs")
    assert row["identity_role"] is None and "repository:admin" in row["scopes_granted"]


@pytest.mark.parametrize("status", [403, 404])
def test_a_token_that_stands_for_no_user_still_tells_its_scopes(
    pipeline: Pipeline, acme: SandboxServer, status: int
) -> None:
    acme.state.add_fault("user_workspace_permission", status=status)
    row = flown(pipeline, acme)
    assert row["identity_role"] is None
    assert set(row["scopes_granted"]) == FIVE  # type: ignore[call-overload]


def test_the_listings_come_after_it_with_no_request_that_can_only_fail(pipeline: Pipeline, acme: SandboxServer) -> None:
    whole_run(pipeline, acme, grant="five")
    assert acme.state.requests[1].endpoint == "user_workspace_permission"
    assert acme.state.count("branch_restrictions") == acme.state.count("pipelines_config") == 0


def test_every_basis_names_resources_that_are_read() -> None:
    for test in CATALOGUE:
        assert test.bases, test.test_id
        assert all(lack is None for lack in bases_available(test, None).values()), "unknown scopes are taken for enough"


def test_with_repository_admin_every_test_can_be_decided_by_configuration() -> None:
    for test_id in ("status_checks_required", "peer_review_required", "branch_protection_enforced"):
        assert bases_available(BY_ID[test_id], FIVE | {"repository:admin"})["configuration"] is None
