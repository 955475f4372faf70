"""Answers that are JSON of a wrong shape: as good as none for their repository, and nothing to the others.

Each of them stands among what Bitbucket really answers, so that a reader who leaves it out finds a verdict too.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bitbucket_compliance.resources.catalogue import BY_NAME
from sandbox import render
from sandbox.model import Repository, Workspace
from sandbox.partial import project
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.faults.driver import Driver
from tests.pipeline.small import small_state

Serve = Callable[[SandboxState], SandboxServer]
Change = Callable[[dict[str, Any]], object]
#: what becomes of one value of a listing, or the whole body
Wrong = Change | str


def put(name: str, value: object) -> Change:
    """Replace one field."""
    return lambda body: {**body, name: value}


def without(*names: str) -> Change:
    """Leave fields out."""
    return lambda body: {key: value for key, value in body.items() if key not in names}


def instead(value: object) -> Change:
    """Something else altogether."""
    return lambda body: value


RULES: dict[str, Wrong] = {
    "rule without id": without("id"),
    "rule whose id is a word": put("id", "first"),
    "rule whose id is an object": put("id", {"n": 1}),
    "rule whose id is too large": put("id", 10**30),
    "rule whose id is a fraction": put("id", 1.5),
    "rule without kind": without("kind"),
    "rule whose kind is a list": put("kind", ["push"]),
    "rule whose pattern is a number": put("pattern", 7),
    "rule whose value is huge": put("value", 1e300),
    "rule whose value is a word": put("value", "two"),
    "rule that matches by a number": put("branch_match_kind", 3),
    "rule that is a word": instead("push"),
    "rule that is null": instead(None),
    "rules in an object": '{"values": {"0": {}}, "size": 1}',
    "an error with status 200": '{"type": "error", "error": {"message": "no"}}',
}
MERGES: dict[str, Wrong] = {
    "merge without id": without("id"),
    "merge whose id is a word": put("id", "one"),
    "merge whose id is too large": put("id", 2**70),
    "merge whose id is a fraction": put("id", 1.5),
    "merge without state": without("state"),
    "merge whose state is a list": put("state", ["MERGED"]),
    "merge whose date is none": put("updated_on", "yesterday-ish"),
    "merge whose date is a number": put("updated_on", 1767225600),
    "merge whose date has no zone": put("updated_on", "2026-11-20T00:00:00"),
    "merge whose creation is no date": put("created_on", "2026-13-45"),
    "merge whose year is far off": put("created_on", "99999999-01-01T00:00:00Z"),
    "merge without dates": without("updated_on", "created_on"),
    "merge whose destination is a word": put("destination", "main"),
    "merge whose branch is a list": put("destination", {"branch": ["main"]}),
    "merge without destination": without("destination"),
    "merge whose participants are words": put("participants", ["a", 1, None]),
    "merge whose participants are a word": put("participants", "everybody"),
    "merge whose approval is a word": put("participants", [{"approved": "yes", "user": 5}]),
    "merge whose author is a word": put("author", "someone"),
    "merge that is a number": instead(7),
}
BUILDS: dict[str, Wrong] = {
    "build that is a word": instead("SUCCESSFUL"),
    "build without state": without("state"),
    "build whose state is a list": put("state", ["SUCCESSFUL"]),
    "builds in an object": '{"values": {"state": "SUCCESSFUL"}, "size": 1}',
}
RUNS: dict[str, Wrong] = {
    "run without id": without("uuid"),
    "run whose id is a list": put("uuid", ["{a}"]),
    "run whose number is a word": put("build_number", "first"),
    "run whose number is too large": put("build_number", 10**30),
    "run whose state is a word": put("state", "COMPLETED"),
    "run without creation": without("created_on"),
    "run whose creation is no date": put("created_on", "soon"),
    "run whose completion is no date": put("completed_on", "later"),
    "run that is a word": instead("a"),
    "runs in a word": '{"values": "none", "size": 0}',
}
CONFIGS: dict[str, Wrong] = {
    "enabled by a word": '{"enabled": "perhaps"}',
    "enabled by a list": '{"enabled": [true]}',
    "enabled by a number": '{"enabled": 7}',
    "enabled by nothing": '{"enabled": null}',
    "a configuration that is empty": "{}",
}
BY_ENDPOINT = {
    "branch_restrictions": ("admin", RULES),
    "pull_requests": ("five", MERGES),
    "pull_request_statuses": ("five", BUILDS),
    "pipelines": ("five", RUNS),
    "pipelines_config": ("admin", CONFIGS),
}


def body_of(endpoint: str, wrong: Wrong, workspace: Workspace, one: Repository) -> str:
    """The answer, its newest value made wrong."""
    if isinstance(wrong, str):
        return wrong
    real: list[dict[str, Any]]
    if endpoint == "branch_restrictions":
        real = [render.restriction(workspace, one, rule) for rule in one.restrictions]
    elif endpoint == "pull_requests":
        condensed = render.repository_condensed(workspace, one)
        pulls = sorted(one.pull_requests, key=lambda pull: pull.id, reverse=True)
        real = [render.pull_request(workspace, one, pull, condensed) for pull in pulls]
    elif endpoint == "pull_request_statuses":
        pull = one.pull_requests[-1]
        real = [render.commit_status(workspace, one, pull, status) for status in pull.statuses]
    else:
        runs = sorted(one.pipelines, key=lambda run: run.created_on, reverse=True)
        real = [render.pipeline(workspace, one, run) for run in runs[:1]]
    rendered = project({"values": real}, ",".join(BY_NAME[endpoint].response_fields))["values"]
    values = [wrong(rendered[0]), *rendered[1:]]
    return json.dumps({"values": values, "size": len(values), "pagelen": 100})


def broken_state(endpoint: str, shapes: dict[str, Wrong], *, as_failure: bool) -> SandboxState:
    """A workspace with one repository for each shape, and two that are well."""
    state = small_state(len(shapes) + 2)
    workspace = state.workspaces[0]
    for one, wrong in zip(workspace.repositories, shapes.values(), strict=False):
        body = None if as_failure else body_of(endpoint, wrong, workspace, one)
        state.add_fault(endpoint, status=500 if as_failure else 200, slug=one.slug, body=body)
    return state


@pytest.fixture
def _pipelines_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("tests: {pipelines_enabled: {enabled: true}}\n")
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(policy))


@pytest.mark.usefixtures("_pipelines_matter")
@pytest.mark.parametrize("endpoint", list(BY_ENDPOINT))
def test_an_answer_of_a_wrong_shape_is_as_good_as_none_and_its_chunk_goes_on(
    new_driver: Callable[[], Driver], serve: Serve, endpoint: str
) -> None:
    grant, shapes = BY_ENDPOINT[endpoint]
    failed, odd = new_driver(), new_driver()
    failed.run(serve(broken_state(endpoint, shapes, as_failure=True)), grant=grant, retry_attempts=1)
    odd.run(serve(broken_state(endpoint, shapes, as_failure=False)), grant=grant, retry_attempts=1)
    names = dict(zip((f"repo-{n}" for n in range(len(shapes))), shapes, strict=True))
    expected = failed.verdicts()
    differences = {
        (names.get(subject, subject), test): (verdict, expected[test, subject])
        for (test, subject), verdict in odd.verdicts().items()
        if verdict != expected[test, subject]
    }
    assert differences == {}
    assert any(verdict[0] == "error" for verdict in expected.values())
    well = [verdict for (_, subject), verdict in expected.items() if subject == f"repo-{len(shapes) + 1}"]
    assert all(verdict[0] != "error" for verdict in well)
