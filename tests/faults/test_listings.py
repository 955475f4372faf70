"""Listings that change while they are read, or contradict themselves: nothing is lost, doubled or made up."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sandbox.build import uuid_of
from sandbox.model import Repository
from sandbox.process import SandboxServer, build_state
from sandbox.state import SandboxState
from tests.faults.driver import RULE_TESTS, Driver, api_requests, once_after, with_errors
from tests.harness import DEMO
from tests.pipeline.small import ACME, people, repository, small_state

Serve = Callable[[SandboxState], SandboxServer]
Quiet = Callable[..., Driver]

#: more than one page of the listing holds
REPOSITORIES = 103


def newcomer() -> Repository:
    """A repository that is created while a run reads."""
    return repository("newcomer", people(), number=900)


def test_a_repository_created_between_two_pages_is_judged_and_none_is_judged_twice(
    driver: Driver, quiet: Quiet, serve: Serve
) -> None:
    after = small_state(REPOSITORIES)
    after.workspaces[0].repositories.insert(0, newcomer())
    calm = quiet(after)
    server = serve(small_state(REPOSITORIES))
    repositories = server.state.workspaces[0].repositories
    # In front: the last one of the first page comes again as the first one of the second.
    happened = once_after(server.state, "repositories", lambda: repositories.insert(0, newcomer()))
    driver.run(server)
    assert happened
    assert driver.verdicts() == calm.verdicts()
    assert server.state.count("repositories") == 4, "two pages, and once more because of the repetition"
    call = driver.query("SELECT items, listing_size, repeated_items, reread FROM landing.calls WHERE resource = %s"
                        " AND repository_id = ''", ("repositories",))  # fmt: skip
    size = REPOSITORIES + 1
    assert call == [{"items": size, "listing_size": size, "repeated_items": 0, "reread": True}]
    assert server.state.count("branch_restrictions") == size


@pytest.mark.parametrize("place", ["first", "last of the first page"])
def test_a_repository_deleted_between_two_pages_takes_no_other_with_it(
    driver: Driver, quiet: Quiet, serve: Serve, place: str
) -> None:
    """What follows moves up: the first one of the second page is on no page that was read."""
    index = {"first": 0, "last of the first page": 99}[place]
    after = small_state(REPOSITORIES)
    removed = after.workspaces[0].repositories.pop(index)
    calm = quiet(after)
    server = serve(small_state(REPOSITORIES))
    driver.run(server)
    repositories = server.state.workspaces[0].repositories
    happened = once_after(server.state, "repositories", lambda: repositories.pop(index))
    driver.run(server)
    assert happened
    left = driver.query("SELECT subject_name FROM compliance.result_history WHERE reason_code = 'removed_or_invisible'")
    assert {row["subject_name"] for row in left} <= {removed.slug}
    found = {key: verdict for key, verdict in driver.verdicts().items() if key[1] != removed.slug}
    assert found == calm.verdicts()


def test_lists_without_a_size_change_no_verdict_and_cost_no_request(driver: Driver, quiet: Quiet, serve: Serve) -> None:
    asked = build_state("demo")
    calm = quiet(asked, workspace=DEMO)
    server = serve(build_state("demo"))
    server.state.lists_carry_size = False
    driver.run(server, DEMO)
    assert driver.verdicts(DEMO) == calm.verdicts(DEMO)
    assert api_requests(server.state) == api_requests(asked)


@pytest.mark.parametrize("kind", ["wrong_size", "repeat_item"])
@pytest.mark.parametrize(
    ("endpoint", "grant", "unread"),
    [
        ("branch_restrictions", "admin", RULE_TESTS),
        ("pull_requests", "five", ("status_checks_required", "peer_review_required")),
    ],
)
def test_a_list_that_never_agrees_with_its_size_is_an_error_of_its_repository_alone(
    driver: Driver, quiet: Quiet, serve: Serve, endpoint: str, grant: str, unread: tuple[str, ...], kind: str
) -> None:
    calm = quiet(small_state(), grant=grant)
    server = serve(small_state())
    server.state.add_fault(endpoint, kind=kind, slug="repo-1")  # type: ignore[arg-type]
    driver.run(server, grant=grant)
    assert server.state.count(endpoint, slug="repo-1") == 2, "read twice and no more"
    assert driver.verdicts() == with_errors(calm.verdicts(), *((test, "repo-1") for test in unread))


def test_a_list_that_stops_before_its_size_is_an_error_of_its_repository_alone(
    driver: Driver, quiet: Quiet, serve: Serve
) -> None:
    def busy_state() -> SandboxState:
        state = small_state()
        crew = people()
        # More merges than a page of pull requests holds.
        state.workspaces[0].repositories[1] = repository("repo-1", crew, merged=60, number=1)
        return state

    calm = quiet(busy_state(), grant="five")
    assert calm.verdicts()["peer_review_required", "repo-1"][0] == "passing"
    server = serve(busy_state())
    server.state.add_fault("pull_requests", kind="drop_next", slug="repo-1")
    driver.run(server, grant="five")
    unread = (("status_checks_required", "repo-1"), ("peer_review_required", "repo-1"))
    assert driver.verdicts() == with_errors(calm.verdicts(), *unread)


def test_a_repository_that_comes_back_under_another_id_is_another_one(driver: Driver, serve: Serve) -> None:
    """Deleted and created anew between two runs: the same slug, another uuid, no verdict of the old one."""
    server = serve(small_state())
    driver.run(server)
    again = server.state.repository("repo-1")
    again.uuid = uuid_of(ACME, "repo-1", "again")
    again.restrictions = []
    again.pull_requests = []
    driver.run(server)
    rows = driver.query(
        "SELECT status FROM compliance.current_results WHERE test_id = 'peer_review_required'"
        " AND subject_name = 'repo-1'"
    )
    assert [row["status"] for row in rows] == ["failing"]
