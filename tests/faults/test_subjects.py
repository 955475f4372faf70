"""Subjects that are gone, closed or unknown: said of them alone, in one line without a web page in it."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from airflow.sdk.exceptions import AirflowFailException

from sandbox.errors import HTML_TOKEN
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.faults.driver import RULE_TESTS, Driver, once_after, with_errors
from tests.faults.searching import postgres_as_text
from tests.pipeline.small import small_state

Serve = Callable[[SandboxState], SandboxServer]
Quiet = Callable[..., Driver]


@pytest.mark.parametrize("grant", ["admin", "five"])
def test_a_repository_deleted_after_the_listing_is_an_error_and_leaves_with_the_next_one(
    driver: Driver, quiet: Quiet, serve: Serve, grant: str
) -> None:
    calm = quiet(small_state(), grant=grant)
    server = serve(small_state())
    repositories = server.state.workspaces[0].repositories
    happened = once_after(server.state, "repositories", lambda: repositories.pop(1))
    driver.run(server, grant=grant)
    assert happened
    unread = [(test, "repo-1") for test in RULE_TESTS]
    if grant == "five":  # of restrictions nothing may be read, so the repository's absence changes nothing
        unread.remove(("branch_protection_enforced", "repo-1"))
    assert driver.verdicts() == with_errors(calm.verdicts(), *unread)
    driver.run(server, grant=grant)
    assert driver.verdicts() == {key: value for key, value in calm.verdicts().items() if key[1] != "repo-1"}


def test_a_repository_that_the_identity_may_not_read_waits_for_rights_and_no_other_does(
    driver: Driver, quiet: Quiet, serve: Serve
) -> None:
    calm = quiet(small_state())
    server = serve(small_state())
    for endpoint in ("branch_restrictions", "pull_requests", "pipelines", "pipelines_config"):
        server.state.add_fault(endpoint, status=403, slug="repo-1")
    driver.run(server)
    waiting = {(test, "repo-1"): ("pending", None, "permission_missing") for test in RULE_TESTS}
    assert driver.verdicts() == {**calm.verdicts(), **waiting}
    assert driver.query("SELECT 1 FROM staging.coverage WHERE outcome = 'failed'") == []


@pytest.mark.parametrize("shape", ["json", "text", "html"])
def test_an_unknown_workspace_is_one_line_and_no_web_page_gets_anywhere(
    driver: Driver,
    serve: Serve,
    shape: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    server = serve(small_state())
    server.state.workspace_not_found = shape  # type: ignore[assignment]
    with pytest.raises(AirflowFailException) as caught:
        driver.run(server, "no-such-workspace")
    printed = capfd.readouterr()
    everything = "\n".join([str(caught.value), caplog.text, printed.out, printed.err, postgres_as_text(driver.dsn)])
    assert "no-such-workspace" in postgres_as_text(driver.dsn), "the search finds what is there"
    for part in (HTML_TOKEN, "<html", "<p>", "bb-bootstrap", "This page could not be found"):
        assert part not in everything
    line = driver.run_error()
    assert "no-such-workspace" in line and "\n" not in line and len(line) < 400
    assert driver.verdicts("no-such-workspace") == {}


def test_web_pages_of_every_status_reach_neither_log_nor_postgres(
    driver: Driver,
    quiet: Quiet,
    serve: Serve,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    calm = quiet(small_state(6))
    server = serve(small_state(6))
    for number, status in enumerate((200, 400, 403, 404, 500)):
        for endpoint in ("branch_restrictions", "pull_requests", "pipelines", "pipelines_config"):
            server.state.add_fault(endpoint, kind="html", slug=f"repo-{number}", status=status)
    driver.run(server)
    printed = capfd.readouterr()
    everything = "\n".join([caplog.text, printed.out, printed.err, postgres_as_text(driver.dsn)])
    for part in (HTML_TOKEN, "<html", "bb-bootstrap", "This page could not be found"):
        assert part not in everything
    found = driver.verdicts()
    assert {found[test, "repo-5"] for test in RULE_TESTS} == {calm.verdicts()[test, "repo-5"] for test in RULE_TESTS}
    assert {found[test, f"repo-{n}"][0] for test in RULE_TESTS for n in range(5)} == {"error", "pending"}
