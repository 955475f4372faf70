"""What is read of sampled pull requests beyond what lists carry: Bitbucket is asked, the package tells."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bitbucket_compliance.core.database import connect
from bitbucket_compliance.registry.evidence_files.store import read_kept
from bitbucket_compliance.reporting.audit.model import AuditRequest
from bitbucket_compliance.reporting.audit.package import package
from bitbucket_compliance.tasks.audit_package import audit_package, read_samples
from local.postgres import EmbeddedPostgres
from sandbox.model import CommitStatus, Participant, PullRequest
from sandbox.process import SandboxServer
from tests.databases import copied
from tests.harness import Pipeline, bitbucket_connection
from tests.pipeline.small import ACME, small_state, whole_run
from tests.reporting.audit.test_package import _changed_cell, rewrite, rows, verify

TODAY = datetime.now(UTC).date()
FIRST = TODAY - timedelta(days=120)


class World:
    """A workspace with one repository of nine merged pull requests, read once."""

    def __init__(self, server: SandboxServer, pipeline: Pipeline) -> None:
        self.server, self.pipeline = server, pipeline
        self.pulls = {pull.id: pull for pull in server.state.repository("repo-0").pull_requests}

    def packaged(self, target: Path, **wanted: Any) -> tuple[Path, dict[int, dict[str, str]]]:
        """A package whose sample is read, and its sample by number."""
        request = AuditRequest(ACME, FIRST, TODAY, frequency="daily", **{"people": True, "read_samples": True} | wanted)
        with connect() as connection:
            reads = read_samples(connection, request) if request.read_samples else None
            folder = package(connection, request, target, read_kept, reads).folder
        return folder, {int(row["pull_request_id"]): row for row in rows(folder, "samples/changes.csv")}


@pytest.fixture
def world(postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with SandboxServer(small_state(1)) as server, copied(postgres, "audit_reads") as address:
        monkeypatch.setenv("AIRFLOW_CONN_COMPLIANCE_POSTGRES", address)

        def connect_to(at: SandboxServer, grant: str = "admin", **extra: object) -> None:
            monkeypatch.setenv(
                "AIRFLOW_CONN_BITBUCKET_DEFAULT", json.dumps(bitbucket_connection(at.url, grant, **extra))
            )

        pipeline = Pipeline(address, connect_to)
        _prepare({pull.id: pull for pull in server.state.repository("repo-0").pull_requests})
        whole_run(pipeline, server)
        yield World(server, pipeline)


def _prepare(pulls: dict[int, PullRequest]) -> None:
    """1: approved after its last push; 2: pushed to after it was approved; 3: never approved by a peer."""
    for number in (1, 2):
        pulls[number].participants[0].participated_on = pulls[number].updated_on - timedelta(hours=2)
    pulls[1].pushes = [pulls[1].updated_on - timedelta(hours=3)]
    pulls[2].pushes = [pulls[2].updated_on - timedelta(hours=1)]
    pulls[3].participants = [Participant(pulls[3].author, True, "REVIEWER", "approved", pulls[3].updated_on)]
    at = pulls[1].updated_on
    pulls[1].merge_statuses = [CommitStatus("build", "SUCCESSFUL", at, at)]


def _same(text: str, moment: datetime) -> bool:
    return datetime.fromisoformat(text) == moment


@pytest.mark.parametrize("people", [True, False])
def test_the_sample_says_whether_the_approval_came_before_the_last_change(
    world: World, tmp_path: Path, people: bool
) -> None:
    before = world.pipeline.query("SELECT sum(requests) AS spent FROM integration.request_ledger")[0]["spent"]
    asked = world.server.state.count("pull_request_activity"), world.server.state.count("commit_statuses")
    folder, sample = world.packaged(tmp_path, people=people)
    assert {number: row["approved_before_last_change"] for number, row in sample.items()} == {
        1: "no", 2: "yes", 3: "not approved",
    }  # fmt: skip
    one = sample[1]
    assert _same(one["approved_at"], world.pulls[1].updated_on - timedelta(hours=2))
    assert _same(one["changed_last_at"], world.pulls[1].pushes[0])
    assert _same(one["merged_at"], world.pulls[1].updated_on)
    assert [status["state"] for status in json.loads(one["statuses"])] == ["SUCCESSFUL"]
    assert json.loads(sample[2]["statuses"]) == []
    assert (one["approvals_after_last_change"], one["not_known_because"]) == ("1", "")
    closed_by = world.pulls[1].closed_by
    assert closed_by is not None and (one["merge_made_by"] == closed_by.uuid.lower()) is people
    assert verify(folder) == (0, verify(folder)[1]), verify(folder)[1]
    # Two requests each, by the ledger, and landed like every other read.
    assert asked == (0, 0)
    assert [world.server.state.count(name) for name in ("pull_request_activity", "commit_statuses")] == [3, 3]
    assert world.pipeline.query("SELECT sum(requests) AS spent FROM integration.request_ledger")[0]["spent"] > before
    landed = world.pipeline.query(
        "SELECT resource, count(*) AS calls FROM landing.calls WHERE run_id LIKE 'audit_sample%%' AND outcome = 'ok'"
        " GROUP BY 1 ORDER BY 1"
    )
    assert [tuple(row.values()) for row in landed] == [("sampled_activity", 3), ("sampled_statuses", 3)]
    bodies = "".join(
        json.dumps(row["body"])
        for row in world.pipeline.query("SELECT body FROM landing.objects WHERE resource LIKE 'sampled%%'")
    )
    assert "Change 1" not in bodies and "display_name" not in bodies


def test_what_cannot_be_read_is_not_known_and_says_why(world: World, tmp_path: Path) -> None:
    world.server.state.add_fault("pull_request_activity", status=403, remaining=1)
    world.server.state.add_fault("commit_statuses", status=404, remaining=1)
    key = world.server.state.repository("repo-0").uuid
    first, *_, longest = sorted(world.pulls, key=lambda n: hashlib.sha256(f"seed:{key}#{n}".encode()).hexdigest())
    # Of a long activity the newest hundred entries are read.
    merged = world.pulls[longest].updated_on
    world.pulls[longest].comments = [merged + timedelta(minutes=n + 1) for n in range(130)]
    folder, sample = world.packaged(tmp_path, seed="seed")
    assert world.server.state.count("pull_request_activity") == 4
    unread = sample[first]
    assert unread["approved_before_last_change"] == "not known" and "its activity: " in unread["not_known_because"]
    assert "builds of the commit that merged it: " in unread["not_known_because"] and unread["statuses"] == ""
    assert sample[longest]["approved_before_last_change"] == "not known"
    assert "does not say when it was merged" in sample[longest]["not_known_because"]
    assert verify(folder)[0] == 0, verify(folder)[1]


def test_a_short_page_that_names_a_next_one_is_not_the_end_of_an_activity(world: World, tmp_path: Path) -> None:
    # What was approved and changed before lies behind the two pages that are read.
    lie = json.dumps({"pages": [[0], [1], [2, 3, 4]], "pagelen": 50})
    world.server.state.add_fault("pull_request_activity", kind="pages", body=lie, remaining=6)
    folder, sample = world.packaged(tmp_path)
    assert {row["approved_before_last_change"] for row in sample.values()} <= {"no", "not known"}
    landed = world.pipeline.query(
        "SELECT body -> 'is_whole' AS is_whole FROM landing.objects WHERE resource = 'sampled_activity'"
    )
    assert [row["is_whole"] for row in landed] == [False] * 3
    assert verify(folder)[0] == 0, verify(folder)[1]


def test_a_package_that_can_ask_nobody_is_made_all_the_same(world: World, tmp_path: Path) -> None:
    world.pipeline.connect_to(world.server, "nobody that it knows")
    folder, sample = world.packaged(tmp_path)
    assert {row["approved_before_last_change"] for row in sample.values()} == {"not known"}
    assert all(row["not_known_because"].startswith("not asked: ") for row in sample.values())
    assert verify(folder)[0] == 0
    folder, sample = world.packaged(tmp_path / "unasked", read_samples=False)
    assert {row["not_known_because"] for row in sample.values()} == {"its activity was not asked for"}
    assert not (folder / "samples" / "reads").exists() and verify(folder)[0] == 0


def test_what_was_read_is_covered_by_verify(world: World, tmp_path: Path) -> None:
    folder, _ = world.packaged(tmp_path)
    told = "is not what its activity says"
    for number, (name, change) in enumerate(
        (
            ("samples/changes.csv", _changed_cell("approved_before_last_change", "made up")),
            ("samples/changes.csv", _changed_cell("changed_last_at", "2020-01-01T00:00:00+00:00")),
            ("samples/reads/001.json", lambda text: text.replace("MERGED", "OPEN")),
        )
    ):
        copy = Path(shutil.copytree(folder, tmp_path / f"copy{number}"))
        rewrite(copy, name, change)
        code, printed = verify(copy)
        assert code == 1 and told in printed, (name, printed)


def test_the_dag_reads_the_sample_where_it_is_asked_to(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPLIANCE_EXPORT_TARGET", str(tmp_path))
    run = SimpleNamespace(run_id="of ann", triggering_user_name="ann")
    address = audit_package(ACME, str(FIRST), str(TODAY), "", "", "False", "", run, "daily", "True")
    sample = rows(Path(address.removesuffix(".zip")), "samples/changes.csv")
    assert sorted(row["approved_before_last_change"] for row in sample) == ["no", "not approved", "yes"]
