"""Responses that Bitbucket really gave, through the real hook, extract and stage: what lands and what is typed."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from tests.harness import Pipeline, bitbucket_connection
from tests.pipeline import recorded
from tests.pipeline.recorded import Recorded, body, listing, ok
from tests.pipeline.small import ACME, FAST, extract

pytestmark = pytest.mark.skipif(recorded.MISSING is not None, reason=str(recorded.MISSING))

API_TEST = "{b32e0f1e-40bb-4b0b-833a-739edcf92d5b}"
SECONDARY = "{4f08ee25-214f-4efc-888e-5d1356369a89}"
REPO_48 = "{7570856c-1563-43cd-bde7-7cfd806390df}"
REPO_70 = "{8f91e68c-8dc2-4772-a083-ac431be98449}"
REPO_86 = "{3cff8c3f-a984-45a3-aae8-bb53f247292d}"
AUTHOR, PEER, OTHER = (
    "{27768338-ba75-5981-b9e1-05ba92ff338f}",
    "{4afefdbe-a15e-5d20-93aa-506efd01f7f6}",
    "{03c3d79a-de04-5fb4-b299-ad5dc1ea7122}",
)


def bodies() -> dict[str, tuple[int, str, Any]]:
    """The recordings, each under a path of the workspace that was recorded."""
    under = f"/repositories/{ACME}"
    return {
        under: ok(body("nango-2026-06-list-repositories-get-0-0")),
        f"/workspaces/{ACME}": ok(body("nango-2026-06-get-workspace-get-0-0")),
        f"/workspaces/{ACME}/members": ok(body("nango-2026-06-list-workspace-members-get-0-0")),
        f"{under}/acme-api-test/branch-restrictions": ok(body("checkov-branch-restrictions")),
        f"{under}/acme-api-test/pullrequests": ok(body("nango-2026-06-pull-requests-get-2-0")),
        f"{under}/acme-api-test/pipelines": ok(body("atlassian-python-api-pipelines-get-0")),
        f"{under}/acme-secondary-repo/branch-restrictions": ok(body("atlassian-python-api-branch-restrictions-get-0")),
        f"{under}/acme-secondary-repo/pullrequests": ok(body("jenkins-pullrequests-pagelen-50")),
        f"{under}/acme-secondary-repo/pipelines": ok(body("nango-2026-06-list-pipelines-get-0-0")),
        f"{under}/acme-test-repo-1781808648/branch-restrictions": (
            403,
            "application/json",
            body("gildas-error-privileges"),
        ),
        f"{under}/acme-test-repo-1781808648/pullrequests": ok(listing(body("atlantis-pull-approved-by-author"))),
        f"{under}/acme-test-repo-1781808648/pipelines": ok(body("atlassian-python-api-pipelines-get-1")),
        f"{under}/acme-test-repo-1781808670/branch-restrictions": (
            400,
            "application/json",
            body("gildas-error-badrequest"),
        ),
        f"{under}/acme-test-repo-1781808670/pullrequests": ok(listing(body("atlantis-pull-approved-multiple"))),
        f"{under}/acme-test-repo-1781808686/pullrequests": ok(listing(body("atlantis-pull-approved"))),
        f"{under}/acme-test-repo-1781808686/pipelines": (404, "text/plain", "Not Found"),
    }


def read(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, server: Recorded) -> str:
    """Extract and stage what the server has; returns the run's id."""
    connection = bitbucket_connection(server.url, "admin", **FAST)
    monkeypatch.setenv("AIRFLOW_CONN_BITBUCKET_DEFAULT", json.dumps(connection))
    try:
        return extract(ACME, full_refresh=True)
    finally:
        pipeline.release(ACME)


Rows = list[dict[str, Any]]
TABLES = {
    "objects": "SELECT * FROM landing.objects",
    "calls": "SELECT * FROM landing.calls",
    "coverage": "SELECT * FROM staging.coverage",
    "workspaces": "SELECT * FROM staging.workspaces",
    "repositories": "SELECT * FROM staging.repositories",
    "members": "SELECT * FROM staging.members",
    "branch_restrictions": "SELECT * FROM staging.branch_restrictions ORDER BY repository_id, restriction_id",
    "pull_requests": "SELECT * FROM staging.pull_requests ORDER BY repository_id, pull_request_id",
    "latest_pipelines": "SELECT * FROM staging.latest_pipelines",
}
_kept: dict[bool, dict[str, Rows]] = {}


@pytest.fixture(params=[True, False], ids=["fields honoured", "whole bodies"])
def partial(request: pytest.FixtureRequest) -> bool:
    """Whether the server honours ``fields``."""
    return bool(request.param)


@pytest.fixture
def replayed(partial: bool, request: pytest.FixtureRequest) -> dict[str, Rows]:
    """What landing and staging hold after a replay of everything; replayed once, looked at often."""
    if partial not in _kept:
        pipeline: Pipeline = request.getfixturevalue("pipeline")
        with Recorded(bodies(), partial=partial) as server:
            read(pipeline, request.getfixturevalue("monkeypatch"), server)
        _kept[partial] = {name: pipeline.query(statement) for name, statement in TABLES.items()}
    return _kept[partial]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_recorded_repositories_and_people_are_typed(replayed: dict[str, Rows]) -> None:
    staged = {row["slug"]: row for row in replayed["repositories"]}
    assert len(staged) == 5
    one = staged["acme-api-test"]
    assert (one["repository_id"], one["full_name"], one["project_key"], one["is_private"], one["language"]) == (
        API_TEST,
        "acme/acme-api-test",
        "PROJ",
        False,
        "javascript",
    )
    assert one["main_branch"] == "main"
    assert one["created_on"] == instant("2026-06-18T17:24:27.212831+00:00")
    assert one["updated_on"] == instant("2026-06-18T18:52:02.122259+00:00")
    assert staged["acme-test-repo-1781808648"]["language"] is None, "Bitbucket's empty language is no language"
    assert staged["acme-test-repo-1781808648"]["is_private"] is True
    workspace = replayed["workspaces"]
    assert [(row["workspace"], row["workspace_id"], row["name"]) for row in workspace] == [
        (ACME, "{d8dcf202-0b5d-4568-8954-43075e98b813}", "acme")
    ]
    members = replayed["members"]
    assert [(row["member_id"], row["account_id"], row["nickname"], row["member_type"]) for row in members] == [
        (
            "{336d709f-6255-5466-a85e-c641378b80cf}",
            "712020:b42d06b8-5fa7-5bd9-bbdb-7bebc3035da7",
            "person-1",
            "user",
        )
    ]
    assert members[0]["role"] is None, "nobody recorded roles: what could not be read is null"


def test_recorded_restrictions_are_typed_and_matched_to_the_main_branch(replayed: dict[str, Rows]) -> None:
    rows = replayed["branch_restrictions"]
    found = {
        (row["repository_id"], row["restriction_id"]): (
            row["kind"],
            row["pattern"],
            row["branch_match_kind"],
            row["value"],
            row["matches_main_branch"],
        )
        for row in rows
    }
    # The rules recorded for master do not protect acme-api-test, whose main branch is main.
    assert {key: value for key, value in found.items() if key[0] == API_TEST} == {
        (API_TEST, 26520789): ("delete", "master", "glob", None, False),
        (API_TEST, 26520790): ("force", "master", "glob", None, False),
        (API_TEST, 26520791): ("require_approvals_to_merge", "master", "glob", 3, False),
        (API_TEST, 26522110): ("require_default_reviewer_approvals_to_merge", "master", "glob", 1, False),
    }
    assert {key: value for key, value in found.items() if key[0] == SECONDARY} == {
        (SECONDARY, 16678277): ("push", "master", "glob", None, True),
        (SECONDARY, 16678278): ("restrict_merges", "master", "glob", None, True),
        (SECONDARY, 16678279): ("delete", "master", "glob", None, True),
        (SECONDARY, 16678280): ("force", "master", "glob", None, True),
        (SECONDARY, 17203842): ("delete", "*", "glob", None, True),
    }
    assert len(found) == 9
    exempt = next(row["users"] for row in rows if row["restriction_id"] == 16678277)
    assert [user["uuid"] for user in exempt] == ["{b3698e16-f7ba-5b2a-8d07-c21f0498d95c}"]


def test_recorded_pull_requests_are_typed_and_their_approvals_counted(replayed: dict[str, Rows]) -> None:
    rows = replayed["pull_requests"]
    by_repository: dict[str, list[Any]] = {}
    for row in rows:
        by_repository.setdefault(row["repository_id"], []).append(row)
    nango = by_repository[API_TEST]
    assert [(row["pull_request_id"], row["state"], row["destination_branch"]) for row in nango] == [
        (1, "MERGED", "main"),
        (2, "MERGED", "main"),
        (3, "MERGED", "test-branch"),
        (4, "MERGED", "feature"),
        (5, "DECLINED", "main"),
        (6, "DECLINED", "main"),
        (7, "DECLINED", "main"),
    ]
    assert nango[0]["updated_on"] == instant("2026-06-18T18:56:01.065175+00:00")
    assert {row["author_id"] for row in nango} == {"{336d709f-6255-5466-a85e-c641378b80cf}"}
    assert {row["approved_by"] for row in nango} == {None}, "lists without participants don't say who approved"
    assert [row["pull_request_id"] for row in by_repository[SECONDARY]] == [1, 3, 8, 9, 11]
    approvals = {key: [row["approved_by"] for row in by_repository[key]] for key in (REPO_48, REPO_70, REPO_86)}
    assert approvals[REPO_48] == [[AUTHOR]]
    assert [sorted(one) for one in approvals[REPO_70]] == [sorted([PEER, OTHER])]
    assert approvals[REPO_86] == [[PEER]]


def test_an_approval_by_the_author_is_no_peers(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = bodies()
    for name, slug in (("approved-by-author", "1781808648"), ("approved-multiple", "1781808670")):
        merged = {**body(f"atlantis-pull-{name}"), "state": "MERGED"}
        merged["destination"]["branch"]["name"] = "master"
        answers[f"/repositories/{ACME}/acme-test-repo-{slug}/pullrequests"] = ok(listing(merged))
    with Recorded(answers) as server:
        read(pipeline, monkeypatch, server)
    rows = pipeline.query("SELECT repository_id, author_id, approved_by FROM staging.merged_pull_requests")
    found = {row["repository_id"]: bool(set(row["approved_by"] or ()) - {row["author_id"]}) for row in rows}
    assert (found[REPO_48], found[REPO_70]) == (False, True)


def test_recorded_pipelines_full_empty_and_missing(replayed: dict[str, Rows]) -> None:
    rows = replayed["latest_pipelines"]
    assert [
        (row["repository_id"], row["pipeline_id"], row["build_number"], row["state"], row["result"]) for row in rows
    ] == [(API_TEST, "{PipelineUuid}", 25, "COMPLETED", "STOPPED")]
    assert rows[0]["created_on"] == instant("2020-11-03T22:14:50.671+00:00")
    assert rows[0]["completed_on"] == instant("2020-11-03T22:14:53.173+00:00")
    calls = [row for row in replayed["calls"] if row["resource"] == "pipelines"]
    outcomes = {row["repository_id"]: row["outcome"] for row in calls}
    assert (outcomes[SECONDARY], outcomes[REPO_70], outcomes[REPO_86]) == ("ok", "not_found", "not_found")


def test_recorded_errors_become_outcomes(replayed: dict[str, Rows]) -> None:
    calls = [row for row in replayed["calls"] if row["resource"] == "branch_restrictions"]
    found = {row["repository_id"]: row for row in calls}
    assert {key: row["outcome"] for key, row in found.items()} == {
        API_TEST: "ok",
        SECONDARY: "ok",
        REPO_48: "scope_missing",
        REPO_70: "failed",
        REPO_86: found[REPO_86]["outcome"],  # either asked for (404), or spared since the scope was refused
    }
    assert found[REPO_48]["http_status"] == 403
    assert "project" in found[REPO_48]["message"]
    assert (found[REPO_70]["http_status"], found[REPO_70]["requests"]) == (400, 1)
    assert found[REPO_86]["outcome"] in ("not_found", "scope_missing")
    assert all("\n" not in row["message"] for row in calls if row["message"])
    roles = [row for row in replayed["coverage"] if row["resource"] == "member_roles"]
    assert [row["outcome"] for row in roles] == ["not_found"]


def test_recorded_statuses_are_counted(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    merged = {**body("atlantis-pull-approved"), "state": "MERGED", "updated_on": datetime.now(UTC).isoformat()}
    merged["destination"]["branch"]["name"] = "main"
    under = f"/repositories/{ACME}/acme-api-test"
    answers = bodies()
    answers[f"{under}/branch-restrictions"] = (403, "text/plain", "Forbidden")
    answers[f"{under}/pullrequests"] = ok(listing(merged))
    answers[f"{under}/pullrequests/12/statuses"] = ok(body("atlassian-python-api-pullrequests-1-statuses-get-0"))
    with Recorded(answers) as server:
        read(pipeline, monkeypatch, server)
        assert server.asked.count(f"{under}/pullrequests/12/statuses") == 1
    rows = pipeline.query("SELECT * FROM staging.pull_request_builds")
    assert [(r["repository_id"], r["pull_request_id"], r["builds"], r["builds_failed"]) for r in rows] == [
        (API_TEST, 12, 1, 0)
    ]


def test_what_lands_is_keyed_hashed_and_no_more_than_was_asked_for(replayed: dict[str, Rows], partial: bool) -> None:
    rows = replayed["objects"]
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["resource"]] = counts.get(row["resource"], 0) + 1
        text = json.dumps(row["body"], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        assert row["body_hash"] == hashlib.sha256(text.encode()).hexdigest()
        if row["repository_id"]:
            assert row["object_key"].startswith(row["repository_id"] + "#")
    assert counts == {
        "repositories": 5,
        "members": 1,
        "workspace": 1,
        "branch_restrictions": 9,
        "pull_requests": 15,
        "pipelines": 1,
    }
    keys = {row["object_key"] for row in rows if row["resource"] == "pull_requests"}
    assert {f"{API_TEST}#7", f"{REPO_70}#12"} <= keys
    if partial:
        landed = json.dumps([row["body"] for row in rows])
        for word in ("title", "description", "rendered", "has_2fa_enabled", "example.com", '"commit"', '"links"'):
            assert word not in landed, word


def test_a_replay_adds_nothing_the_second_time(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = ("branch_restrictions", "pull_requests", "latest_pipelines", "repositories", "members")
    with Recorded(bodies()) as server:
        read(pipeline, monkeypatch, server)
        landed = pipeline.query("SELECT count(*) AS n FROM landing.objects")
        staged = {t: pipeline.query(f"SELECT * FROM staging.{t} ORDER BY 1, 2, 3") for t in tables}  # noqa: S608
        read(pipeline, monkeypatch, server)
    assert pipeline.query("SELECT count(*) AS n FROM landing.objects") == landed
    for table, before in staged.items():
        after = pipeline.query(f"SELECT * FROM staging.{table} ORDER BY 1, 2, 3")  # noqa: S608
        for row in (*before, *after):
            row.pop("data_as_of")
            row.pop("read_at", None)
        assert after == before


def test_staging_twice_gives_the_same_rows(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    with Recorded(bodies()) as server:
        connection = bitbucket_connection(server.url, "admin", **FAST)
        monkeypatch.setenv("AIRFLOW_CONN_BITBUCKET_DEFAULT", json.dumps(connection))
        run_id = extract(ACME)
        before = pipeline.query("SELECT * FROM staging.coverage ORDER BY repository_id, resource")
        tasks.stage(ACME, run_id)
        assert pipeline.query("SELECT * FROM staging.coverage ORDER BY repository_id, resource") == before
        pipeline.release(ACME)
