"""Controls: state now and over a period, what each rests on, and the same as a file."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pytest

from sandbox.process import SandboxServer
from tests.conftest import Database
from tests.console.conftest import Console, OpenConsole
from tests.harness import DEMO, Pipeline

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


def test_what_is_asked_for_wrongly_is_refused(vic: Console, database: Database) -> None:
    assert vic.get("/controls", params={"framework": "nonsense"}).status_code == 404
    assert vic.get("/controls/one", params={"framework": FRAMEWORK, "control": "nonsense"}).status_code == 404
    assert vic.get("/controls/one").status_code == 422
    for query in ({"until": "2026-01-01"}, {"since": "2026-02-01", "until": "2026-01-01"}, {"since": "1900-01-01"}):
        assert vic.get("/controls", params=query).status_code == 422
