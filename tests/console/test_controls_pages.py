"""Controls: state now and over a period, what each rests on, and the same as a file."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.process import SandboxServer
from tests.conftest import Database
from tests.console.conftest import Console, OpenConsole
from tests.console.world import Published
from tests.harness import DEMO, Pipeline
from tests.reporting.histories import Interval, write, write_runs

FRAMEWORK = "SOC 2"


@pytest.fixture
def vic(open_console: OpenConsole) -> Console:
    return open_console("viewer", "vic")


def listed(console: Console, **query: str) -> list[dict[str, str]]:
    answer = console.get("/controls.csv", params=query)
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_controls_stand_as_the_published_view_says_and_lead_to_what_they_rest_on(
    pipeline: Pipeline, sandbox: SandboxServer, vic: Console, database: Database
) -> None:
    pipeline.take_demo()
    pipeline.run(sandbox)
    published = database.execute(
        "SELECT control, state, failing::text FROM compliance.control_status WHERE workspace = %s AND framework = %s",
        (DEMO, FRAMEWORK),
    ).fetchall()
    assert published
    found = listed(vic, framework=FRAMEWORK)
    assert {(row["control"], row["state"], row["failing"]) for row in found} == {
        (row["control"], row["state"], row["failing"]) for row in published
    }
    today = datetime.now(UTC).date().isoformat()
    over = listed(vic, framework=FRAMEWORK, since=today, until=today)
    assert {row["days"] for row in over} == {"1"}
    assert "operated" not in {row["state"] for row in over}

    [failing] = database.execute(
        "SELECT findings.subject_name, controls.control FROM compliance.findings"
        " INNER JOIN compliance.test_controls AS controls USING (test_id)"
        " WHERE controls.framework = %s AND findings.workspace = %s ORDER BY findings.found_at DESC,"
        " findings.finding_id LIMIT 1",
        (FRAMEWORK, DEMO),
    ).fetchall()
    assert f"control={failing['control']}" in vic.get("/controls", params={"framework": FRAMEWORK}).text
    one = vic.get("/controls/one", params={"framework": FRAMEWORK, "control": failing["control"]})
    assert one.status_code == 200
    assert failing["subject_name"] in one.text
    [with_file] = database.execute(
        "SELECT controls.framework, controls.control, evidence.file_sha256 FROM compliance.evidence"
        " INNER JOIN compliance.test_controls AS controls USING (test_id) LIMIT 1"
    ).fetchall()
    shown = vic.get("/controls/one", params={name: with_file[name] for name in ("framework", "control")})
    assert with_file["file_sha256"] in shown.text


def test_a_period_shows_what_held_in_it_of_each_test_and_not_what_holds_now(database: Database, vic: Console) -> None:
    Published(database)
    first = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=20)

    def at(day: float) -> datetime:
        return first + timedelta(days=day)

    def was(subject: str, status: str, start: datetime, end: datetime | None) -> Interval:
        test = "peer_review_required"
        return Interval("acme", test, subject, status, "because", "lenient", False, False, start, end)

    write(
        database,
        [
            was("{a}", "failing", at(0), at(4.5)),
            was("{a}", "passing", at(4.5), at(12)),
            was("{a}", "failing", at(12), None),
            was("{b}", "passing", at(0), None),
        ],
    )
    write_runs(database, [("acme", at(day)) for day in range(9)])
    for began, due, ended in ((0, 2, 4.5), (12, 14, None)):
        database.execute(
            "INSERT INTO compliance.finding_records (workspace, test_id, subject_type, subject_id, subject_name,"
            " severity, found_at, reason_code, due_at, policy_version, run_id, ended_at, ended_because)"
            " VALUES ('acme', 'peer_review_required', 'repository', '{a}', 'pay', 'high', %s, 'because', %s,"
            " 'lenient', 'run', %s, %s)",
            (at(began), at(due), ended and at(ended), ended and "fixed"),
        )
    [control] = database.execute(
        "SELECT framework, control FROM compliance.test_controls WHERE test_id = 'peer_review_required' LIMIT 1"
    ).fetchall()

    def row_of(first_day: int, last_day: int) -> list[str]:
        query = {**control, "since": str(at(first_day).date()), "until": str(at(last_day).date())}
        table = vic.get("/controls/one", params=query).text.split('id="tests"')[1].split('id="findings"')[0]
        [row] = [one for one in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL) if "tests/peer_review_required" in one]
        cells = re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)
        return [re.sub("<[^>]*>", "", cell).strip() for cell in cells][:11]

    # state; days observed, with failures, undecided; findings opened, fixed in time, late, ended otherwise, open at the
    # end, overdue, accepted
    assert row_of(0, 9) == ["operated with exceptions", "9 of 10", "4", "0", "1", "0", "1", "0", "0", "0", "0"]
    assert row_of(5, 8) == ["operated", "4 of 4", "0", "0", "0", "0", "0", "0", "0", "0", "0"]
    assert row_of(9, 15) == ["not observed", "0 of 7", "4", "0", "1", "0", "0", "0", "1", "1", "0"]
    # mended since: when the period ended it was open
    early = {**control, "since": str(at(0).date()), "until": str(at(3).date())}
    findings = vic.get("/controls/one", params=early).text.split('id="findings"')[1].split('id="bypasses"')[0]
    assert re.search("open <span[^>]*>overdue</span>.*ended since", findings)


def test_what_is_asked_for_wrongly_is_refused(vic: Console, database: Database) -> None:
    assert vic.get("/controls", params={"framework": "nonsense"}).status_code == 404
    assert vic.get("/controls/one", params={"framework": FRAMEWORK, "control": "nonsense"}).status_code == 404
    assert vic.get("/controls/one").status_code == 422
    for query in ({"until": "2026-01-01"}, {"since": "2026-02-01", "until": "2026-01-01"}, {"since": "1900-01-01"}):
        assert vic.get("/controls", params=query).status_code == 422
