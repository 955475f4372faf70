"""What the pipeline asks Bitbucket for: nothing the official document doesn't know, and nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from sandbox import reference
from sandbox.build import Pulls, midnight
from sandbox.model import PullRequest, Repository
from sandbox.process import SandboxServer, build_state
from sandbox.state import ADMIN_SCOPES, FIVE_SCOPES, RequestRecord, SandboxState, closure
from tests.harness import DEMO, Pipeline
from tests.pipeline.small import ACME, small_state, whole_run
from tests.sandbox import official
from tests.sandbox.demo_expected import NON_PRODUCTION

pytestmark = pytest.mark.slow

GENERAL = frozenset({"q", "sort", "fields", "page", "pagelen"})
NEEDS_ADMIN = ("branch_restrictions", "pipelines_config")
NEVER_FIELDS = (
    "has_2fa_enabled",
    "title",
    "description",
    "summary",
    "rendered",
    "commit",
    "source",
    "links",
    "diff",
    "reason",
    "message",
)

Serve = Callable[[SandboxState], SandboxServer]


def asked(
    server: SandboxServer | Observed, endpoint: str | None = None, slug: str | None = None
) -> list[RequestRecord]:
    """API requests in the order they were answered; token requests are no API requests."""
    return [
        record
        for record in server.state.requests
        if record.path.startswith("/2.0/")
        and (endpoint is None or record.endpoint == endpoint)
        and (slug is None or record.slug == slug)
    ]


def builds_asked(server: SandboxServer, slug: str) -> list[int]:
    """Numbers of the pull requests whose builds were asked for, in order."""
    return [int(record.path.split("/")[-2]) for record in asked(server, "pull_request_statuses", slug)]


@dataclass
class Observed:
    """One whole run: what was asked for, and what ``compliance.runs`` says of it."""

    grant: str
    state: SandboxState
    row: dict[str, Any]


_kept: dict[tuple[str, str], Observed] = {}


@pytest.fixture
def requests_of_a_run(request: pytest.FixtureRequest) -> Observed:
    """A whole run of a workload under a grant; run once, looked at often."""
    workload, grant = request.param
    if request.param not in _kept:
        pipeline: Pipeline = request.getfixturevalue("pipeline")
        with SandboxServer(build_state(workload, 20 if workload == "reference" else None)) as server:
            if workload == "demo":
                pipeline.take_demo()
            pipeline.run(server, DEMO if workload == "demo" else reference.SLUG, grant=grant)
        row = pipeline.query("SELECT * FROM compliance.runs")[0]
        _kept[request.param] = Observed(grant, server.state, row)
    return _kept[request.param]


every_workload = pytest.mark.parametrize(
    "requests_of_a_run",
    [(workload, grant) for workload in ("demo", "reference") for grant in ("admin", "five")],
    ids=lambda pair: "-".join(pair),
    indirect=True,
)


@every_workload
def test_every_request_is_one_of_the_official_document_and_within_the_grant(
    requests_of_a_run: Observed,
) -> None:
    if official.MISSING:
        pytest.skip(official.MISSING)
    grant, server = requests_of_a_run.grant, requests_of_a_run
    granted = closure(ADMIN_SCOPES if grant == "admin" else FIVE_SCOPES)
    sent = asked(server)
    assert len(sent) > 40
    wrong = []
    for record in sent:
        if record.endpoint == "pull_request_merge_checks":
            continue  # newer than the copy of the document
        _, operation = official.operation_for(record.method, record.path)
        unknown = set(parse_qs(record.query, keep_blank_values=True)) - (official.documented_query(operation) | GENERAL)
        missing = official.classic_scopes(operation) - granted
        if record.method != "GET" or unknown or missing:
            wrong.append((record.method, record.path, sorted(unknown), sorted(missing)))
    assert wrong == []


@every_workload
def test_a_run_asks_for_metadata_alone_in_the_largest_pages_and_as_seldom_as_it_can(
    requests_of_a_run: Observed,
) -> None:
    grant, server = requests_of_a_run.grant, requests_of_a_run
    assert server.state.forbidden() == []
    assert not any(
        part in record.path.split("/")
        for record in asked(server)
        for part in ("src", "commits", "commit", "diff", "diffstat", "patch", "downloads", "issues", "hooks")
    )
    for record in asked(server):
        query = parse_qs(record.query)
        fields = ",".join(query.get("fields", [""])).split(",")
        assert fields != [""], f"{record.path} is asked for whole"
        parts = {part for field in fields for part in field.split(".")}
        assert not parts & set(NEVER_FIELDS), record.path
        assert "*" not in parts and not any(field.startswith(("+", "-")) for field in fields)
        if record.endpoint == "pull_requests":
            assert query["pagelen"] == ["50"]
        elif record.endpoint == "pipelines":
            assert (query["pagelen"], query["sort"]) == (["1"], ["-created_on"])
        elif record.endpoint in ("repositories", "workspace_members", "workspace_permissions"):
            assert query["pagelen"] == ["100"]
    if grant == "five":
        assert [record.path for name in NEEDS_ADMIN for record in asked(server, name)] == []
    repeated = {(record.path, record.query) for record in asked(server) if record.status == 200}
    assert len(repeated) == len([record for record in asked(server) if record.status == 200])


@every_workload
def test_requests_a_repository_stay_inside_the_budget(requests_of_a_run: Observed) -> None:
    grant, server = requests_of_a_run.grant, requests_of_a_run
    spent = len(asked(server))
    noted = requests_of_a_run.row
    assert noted["requests_spent"] == spent
    assert noted["repositories"] == len(server.state.workspaces[0].repositories)
    if server.state.workspaces[0].slug == reference.SLUG:
        assert spent / 20 <= {"admin": 4.5, "five": 3.5}[grant]
        assert float(noted["requests_per_repository"]) <= {"admin": 4.5, "five": 3.5}[grant]


# ------------------------------------------------------------------- branching models and builds


def test_the_branching_model_is_read_only_where_a_rule_refers_to_it(pipeline: Pipeline, sandbox: SandboxServer) -> None:
    repositories = sandbox.state.workspaces[0].repositories
    referring = {
        one.slug
        for one in repositories
        if any(rule.branch_match_kind == "branching_model" for rule in one.restrictions)
        and one.identity_permission == "admin"
        and one.mainbranch
        and not one.gone
    }
    assert referring
    pipeline.run(sandbox)
    read = [record.slug for record in asked(sandbox, "effective_branching_model")]
    assert sorted(read) == sorted(referring)


def _expected_builds(repository: Repository) -> list[int]:
    """By design §5: the newest five merged into the main branch in 90 days, up to the first that breaks the rule; none
    where the merge checks of an open pull request decide.
    """
    if any(
        pull.state == "OPEN" and pull.destination_branch == repository.mainbranch for pull in repository.pull_requests
    ):
        return []
    since = midnight() - timedelta(days=89, hours=12)
    merged = [
        pull
        for pull in repository.pull_requests
        if pull.state == "MERGED" and pull.destination_branch == repository.mainbranch and pull.updated_on >= since
    ]
    numbers = []
    for pull in sorted(merged, key=lambda pull: (pull.updated_on, pull.id), reverse=True)[:5]:
        numbers.append(pull.id)
        if not pull.statuses or any(status.state != "SUCCESSFUL" for status in pull.statuses):
            break
    return numbers


def test_builds_are_asked_for_newest_first_until_one_breaks_the_rule_and_never_again(
    pipeline: Pipeline, sandbox: SandboxServer
) -> None:
    pipeline.take_demo()
    repositories = [
        one
        for one in sandbox.state.workspaces[0].repositories
        if not one.gone and one.slug not in NON_PRODUCTION and one.mainbranch
    ]
    expected = {one.slug: _expected_builds(one) for one in repositories}
    assert {len(numbers) for numbers in expected.values()} >= {0, 1, 2, 5}
    pipeline.run(sandbox, grant="five")
    found = {one.slug: builds_asked(sandbox, one.slug) for one in repositories}
    assert found == expected
    assert {r.slug for r in asked(sandbox, "pull_request_statuses")} <= expected.keys()

    sandbox.state.reset()
    pipeline.run(sandbox, grant="five")
    assert asked(sandbox, "pull_request_statuses") == []

    sandbox.state.reset()
    pipeline.run(sandbox, grant="five", full_refresh=True)
    assert asked(sandbox, "pull_request_statuses") == []


def test_a_new_merge_costs_one_request_and_the_known_ones_none(pipeline: Pipeline, serve: Serve) -> None:
    server = serve(small_state(1))
    whole_run(pipeline, server, grant="five")
    repository = server.state.repository("repo-0")
    assert builds_asked(server, "repo-0") == [3, 2, 1]
    newest = Pulls("repo-0", midnight()).add(age=0.5, author=server.state.workspaces[0].members[0].account)
    repository.pull_requests.append(_renumbered(newest, 4))
    server.state.reset()
    whole_run(pipeline, server, grant="five")
    assert builds_asked(server, "repo-0") == [4]


def _renumbered(pull: PullRequest, number: int) -> PullRequest:
    pull.id = number
    return pull


def test_builds_that_are_still_running_are_asked_for_again_and_no_others(pipeline: Pipeline, serve: Serve) -> None:
    server = serve(small_state(1))
    repository = server.state.repository("repo-0")
    for status in repository.pull_requests[-1].statuses:
        status.state = "INPROGRESS"
    whole_run(pipeline, server, grant="five")
    assert pipeline.verdicts(ACME)["status_checks_required", "repo-0"][2] == "too_few_merges"
    server.state.reset()
    whole_run(pipeline, server, grant="five")
    assert builds_asked(server, "repo-0") == [3]


@pytest.mark.parametrize("grant", ["admin", "five"])
def test_builds_are_asked_for_only_where_behaviour_decides(pipeline: Pipeline, serve: Serve, grant: str) -> None:
    server = serve(small_state(2))
    server.state.repository("repo-1").identity_permission = "write"
    whole_run(pipeline, server, grant=grant)
    assert builds_asked(server, "repo-0") == ([] if grant == "admin" else [3, 2, 1])
    assert builds_asked(server, "repo-1") == [3, 2, 1]
