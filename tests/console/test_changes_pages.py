"""What changed between two moments: on the page and as a file."""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bitbucket_compliance.security_tests.policies import set_override
from sandbox.process import SandboxServer
from tests.conftest import Database
from tests.console.conftest import Console, OpenConsole
from tests.console.world import HOSTILE, Published
from tests.harness import DEMO, Pipeline


@pytest.fixture
def vic(open_console: OpenConsole) -> Console:
    return open_console("viewer", "vic")


def listed(console: Console, **query: str) -> list[dict[str, str]]:
    answer = console.get("/changes.csv", params=query)
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_everything_that_changed_since_the_run_before_is_told(
    pipeline: Pipeline, sandbox: SandboxServer, vic: Console, database: Database, tmp_path: Path
) -> None:
    pipeline.take_demo()
    pipeline.run(sandbox)
    between = datetime.now(UTC)
    first = Counter(row["kind"] for row in listed(vic))
    assert (first["repository"], first["member"]) == (40, 25)

    classification = tmp_path / "classification.csv"
    classification.write_text(
        "target_type,target,classification,sensitivity,owner\nrepository,mystery-box,non_production,internal,\n"
    )
    pipeline.take("classification", classification)
    set_override(database, DEMO, {"thresholds": {"min_approvals": 2}}, set_by="airflow:ada", reason="four eyes")
    pipeline.run(sandbox)

    found = listed(vic, since=between.isoformat())
    box = {row["kind"]: row for row in found if row["name"] == "mystery-box"}
    assert box["repository"]["became"].startswith("mystery-box, project MISC, private, non production, internal")
    assert box["finding"]["was"] == "open"
    verdicts = {row["test_id"]: row for row in found if row["kind"] == "verdict" and row["name"] == "mystery-box"}
    assert (verdicts["repo_classified"]["was"], verdicts["repo_classified"]["became"]) == ("failing", "passing")
    assert any(row["kind"] == "decision" and row["person"] == "os:tester" for row in found)
    told = {(row["name"], row["became"], row["why"]) for row in found if row["kind"] == "policy"}
    assert ("policy 1", "set", "four eyes") in told
    assert any(name == "policy in force" for name, _, _ in told)
    assert not [row for row in found if row["kind"] == "member"]
    assert not [row for row in found if row["kind"] == "verdict" and row["was"] == row["became"] == "passing"]

    page = vic.get("/changes").text
    assert "Since the previous run" in page
    assert "mystery-box" in page
    assert "mystery-box" not in vic.get("/changes", params={"kind": "policy"}).text
    assert {row["kind"] for row in listed(vic, since=between.isoformat(), kind="finding")} == {"finding"}
    assert listed(vic, since=datetime.now(UTC).isoformat()) == []


def test_member_that_left_is_told(pipeline: Pipeline, sandbox: SandboxServer, vic: Console, database: Database) -> None:
    pipeline.take_demo()
    pipeline.run(sandbox)
    between = datetime.now(UTC)
    [gone] = database.execute(
        "SELECT subject_id, subject_name FROM compliance.results WHERE subject_type = 'member'"
        " ORDER BY subject_name LIMIT 1"
    ).fetchall()
    database.execute(
        "INSERT INTO compliance.result_history (workspace, test_id, subject_type, subject_id, subject_name, severity,"
        " status, reason_code, reason, detail, facts_hash, policy_version, run_id, valid_from, valid_to)"
        " SELECT workspace, test_id, subject_type, subject_id, subject_name, severity, 'not_applicable',"
        " 'removed_or_invisible', 'gone', '{}', 'f', policy_version, run_id, clock_timestamp(), 'infinity'"
        " FROM compliance.results"
        " WHERE subject_id = %s",
        (gone["subject_id"],),
    )
    [row] = listed(vic, since=between.isoformat(), kind="member")
    assert (row["name"], row["was"], row["became"]) == (gone["subject_name"], "member", "")


def test_days_count_whole_and_what_is_no_day_is_refused(database: Database, vic: Console) -> None:
    Published(database)
    page = vic.get("/changes", params={"since": "2026-01-01", "until": "2026-01-31"})
    assert "2026-01-01 00:00 UTC" in page.text
    assert "2026-01-31 23:59 UTC" in page.text
    assert "Nothing changed" in page.text
    for query in ({"since": "yesterday"}, {"until": "2026-13-01"}, {"since": "2026-02-01", "until": "2026-01-01"}):
        answer = vic.get("/changes", params=query)
        assert answer.status_code == 422
    assert vic.get("/changes", params={"kind": "nonsense"}).status_code == 422


@pytest.mark.parametrize(
    "address",
    [
        "changes?until=0001-01-02",
        "changes.csv?until=0001-01-02",
        "changes?since=0001-01-01&time_zone=America/New_York",
        "changes?until=9999-12-31&time_zone=Asia/Tokyo",
        "controls?since=9999-12-30&until=9999-12-31",
        "controls/one?framework=SOC2&control=CC6.1&since=9999-12-30&until=9999-12-31",
        "findings?as_of=0001-01-01",
    ],
)
def test_days_at_the_ends_of_the_calendar_are_no_failure(vic: Console, address: str) -> None:
    answer = vic.get(f"/{address}")
    assert answer.status_code == 422 and "lies in no year that anything is known of" in answer.text


def test_names_are_escaped_and_cells_are_no_formulas(database: Database, vic: Console) -> None:
    world = Published(database)
    world.repository("pay")
    database.execute(
        "INSERT INTO compliance.result_history (workspace, test_id, subject_type, subject_id, subject_name, severity,"
        " status, reason_code, reason, detail, facts_hash, policy_version, run_id, valid_from)"
        " SELECT workspace, test_id, subject_type, subject_id, '=1+1', severity, status, 'r', %s, '{}', 'f', 'p',"
        " 'run', now() FROM compliance.results",
        (HOSTILE,),
    )
    since = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    text = vic.get("/changes", params={"since": since}).text
    assert HOSTILE not in text
    assert "&lt;script&gt;" in text
    [row] = listed(vic, since=since)
    assert row["name"] == "'=1+1"
