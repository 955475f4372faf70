"""Retention: years pass, housekeeping deletes what is over, and all that is asked of the time kept is as it was."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bitbucket_compliance.core.database import connect
from bitbucket_compliance.pipeline.housekeeping.housekeeping import forget_old
from bitbucket_compliance.registry.evidence_files.store import read_kept
from bitbucket_compliance.reporting.audit.model import AuditRequest
from bitbucket_compliance.reporting.audit.package import package
from local.postgres import EmbeddedPostgres
from local.postgres_cluster import ADMIN_ROLE
from sandbox.build import Pulls
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.ageing import record_anew
from tests.harness import Pipeline
from tests.pipeline.days import Days
from tests.pipeline.small import ACME, people, protect, small_state

KEPT = 400
#: their values go on with the clock while they are open
_GOING_ON = ("days_open", "late_days")


@pytest.fixture
def days(
    pipeline: Pipeline,
    serve: Callable[[SandboxState], SandboxServer],
    postgres: EmbeddedPostgres,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Days:
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"thresholds: {{history_kept_days: {KEPT}}}\n", encoding="utf-8")
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(policy))
    name = pipeline.dsn.rsplit("/", 1)[1].split("?")[0]
    return Days(pipeline, serve(small_state(3)), postgres.uri(name, ADMIN_ROLE), tmp_path)


def live(days: Days) -> None:
    """Five hundred and fifty days: a repository fails and is mended twice, somebody leaves, merges go on."""
    repository = days.server.state.workspaces[0].repositories[1]
    crew = people()
    staff = [(one.email, "active", "") for one in crew]

    def breaks() -> None:
        repository.restrictions = []

    def merges(number: int) -> None:
        pulls = Pulls(f"repo-1-{number}", datetime.now(UTC))
        pulls.add(age=1, author=crew[0], approved_by=[crew[1]])
        for one in pulls.made:
            one.id = number
        repository.pull_requests += pulls.made

    days.roster(*staff)
    days.run()
    for passed, happens in (
        (20, breaks),
        (20, lambda: protect(repository)),
        (20, lambda: days.remove(3)),
        (30, breaks),
        (80, lambda: protect(repository)),
        (200, lambda: merges(101)),
        (100, breaks),
        (79, lambda: merges(102)),
    ):
        days.pass_by(passed)
        happens()
        days.roster(*staff)
        days.run()
    days.pass_by(1)


def asked(days: Days) -> dict[str, Any]:
    """What the time kept answers: results of many instants, and the published series of its days."""
    query, first = days.pipeline.query, datetime.now(UTC) - timedelta(days=KEPT - 1)
    return {
        "as of": [
            sorted(map(str, query("SELECT * FROM compliance.results_as_of(%s)", (first + timedelta(days=n),))))
            for n in range(0, KEPT - 1, 15)
        ],
        "trend": query(
            "SELECT * FROM compliance.daily_trend WHERE day >= %s ORDER BY day, test_id, severity", (first.date(),)
        ),
        "completeness": query(
            "SELECT * FROM compliance.completeness(%s, %s, %s)", (ACME, first.date(), datetime.now(UTC).date())
        ),
        "joiners": query("SELECT * FROM compliance.joiners WHERE first_seen_at >= %s ORDER BY member_id", (first,)),
        "results": query("SELECT * FROM compliance.results ORDER BY test_id, subject_id"),
    }


def packaged(folder: Path, first_day: date) -> tuple[Path, dict[str, list[list[str]]]]:
    """An audit package from a day to yesterday, and its tables."""
    folder.mkdir()
    last_day = datetime.now(UTC).date() - timedelta(days=1)
    with connect() as connection:
        made = package(connection, AuditRequest(ACME, first_day, last_day, people=True), folder, read_kept)
    tables = {}
    for path in sorted((made.folder / "data").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows = [[value for name, value in row.items() if name not in _GOING_ON] for row in csv.DictReader(file)]
        tables[path.name] = rows
    return made.folder, tables


def counted(days: Days, *conditions: str) -> list[int]:
    """Rows of each ``table WHERE …`` older than what is kept (``cut`` in the text)."""
    cut = f"now() - interval '{KEPT} days'"
    return [
        days.pipeline.query(f"SELECT count(*) AS rows FROM {one.replace('cut', cut)}")[0]["rows"]  # noqa: S608
        for one in conditions
    ]


def test_what_ended_before_the_time_kept_goes_and_all_that_is_asked_of_it_stays(days: Days, tmp_path: Path) -> None:
    live(days)
    record_anew(days._admin)
    misfits = "integration.verify_record('acme')", "integration.verify_record('')"
    assert counted(days, *misfits) == [0, 0]
    old = (
        "compliance.result_history WHERE valid_to < cut",
        "compliance.finding_records WHERE ended_at < cut",
        "compliance.changes WHERE merged_on < cut",
        "compliance.member_history WHERE valid_to < cut",
        "compliance.population_counts WHERE counted_at < cut",
        "compliance.daily_observations WHERE day < (cut)::date",
        "integration.runs WHERE started_at < cut",
        "landing.objects WHERE resource = 'pull_requests' AND fetched_at < cut",
        "registry.people",
    )
    there = counted(days, *old)
    assert min(there) > 0, dict(zip(old, there, strict=True))
    before = asked(days)
    first_day = datetime.now(UTC).date() - timedelta(days=KEPT - 2)
    _, tables = packaged(tmp_path / "before", first_day)

    with connect() as connection:
        forget_old(connection)

    left = dict(zip(old, counted(days, *old), strict=True))
    assert all(after < was for (name, after), was in zip(left.items(), there, strict=True) if "judged" not in name), (
        left
    )
    assert [left[one] for one in old[1:6]] == [0, 0, 0, 0, 0], left
    assert asked(days) == before
    assert counted(days, *misfits) == [0, 0], "verify passes"
    folder, tables_after = packaged(tmp_path / "after", first_day)
    # the chain goes on, with links for what was deleted
    links, links_after = tables.pop("links.csv"), tables_after.pop("links.csv")
    assert all(link in links_after for link in links) and len(links_after) > len(links)
    assert tables_after == tables
    checked = subprocess.run(
        [sys.executable, "-I", "-S", str(folder / "verify.py")], capture_output=True, text=True, timeout=60
    )
    assert checked.returncode == 0, checked.stdout
    [kept] = days.pipeline.query("SELECT * FROM compliance.history_kept")
    assert datetime.now(UTC) - kept["kept_from"] > timedelta(days=KEPT)
    assert counted(days, f"compliance.results_as_of(now() - interval '{KEPT + 30} days')") == [0], "not half of it"
    assert counted(days, "compliance.daily_trend WHERE day < (cut)::date") == [0]
    days.run()
    with connect() as connection:
        connection.execute("SELECT set_config('compliance.workspace', %s, true)", (ACME,))
        assert connection.execute("SELECT * FROM quality.unexplained_intervals").fetchall() == [], "no gate minds"
