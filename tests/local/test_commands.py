"""The command line: what it refuses before anything starts, and what it prints at the end."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local import __main__ as command_line
from local import airflow_run, commands, services
from local.commands import Usage, import_jobs, is_yes, valid_workspace
from local.report import Report, covered_seconds, render_report, render_times

START = datetime(2026, 3, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize("workspace", ["acme", "acme-2_x.y", "{0f1e2d3c-0000-4000-8000-0123456789ab}"])
def test_a_slug_or_a_uuid_is_a_workspace(workspace: str) -> None:
    assert valid_workspace(f" {workspace} ") == workspace


@pytest.mark.parametrize("workspace", ["", "  ", "../etc", "a b", "acme/repo", "https://bitbucket.org/acme", "--x"])
def test_anything_else_is_answered_with_the_usage(workspace: str) -> None:
    with pytest.raises(Usage, match="usage: make run WORKSPACE=slug") as refused:
        valid_workspace(workspace)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("arguments", [["run", "--", ""], ["import"], ["import", "--roster", "/no/such.csv"]])
def test_a_wrong_call_starts_nothing_and_ends_with_one_line(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "_execute", lambda *_, **__: pytest.fail("something was started"))
    assert command_line.main(arguments) != 0
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_missing_file_is_named_with_its_variable(tmp_path: Path) -> None:
    roster = tmp_path / "roster.csv"
    roster.touch()
    with pytest.raises(Usage, match=r"MFA=/no/such\.csv: there is no such file"):
        import_jobs({"roster": str(roster), "mfa": "/no/such.csv"})


def test_imports_run_in_a_fixed_order_with_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("mfa.csv", "roster.csv"):
        Path(name).touch()
    jobs = import_jobs({"mfa": "mfa.csv", "roster": "roster.csv"}, "2026-03-31")
    assert [(job.conf["kind"], job.conf["path"], job.conf["captured_on"]) for job in jobs] == [
        ("roster", str(tmp_path / "roster.csv"), None),
        ("mfa", str(tmp_path / "mfa.csv"), "2026-03-31"),
    ]


@pytest.mark.parametrize("day", ["31.03.2026", "2026-02-30", "2999-01-01"])
def test_a_capture_day_must_be_a_day_that_has_come(day: str, tmp_path: Path) -> None:
    export = tmp_path / "mfa.csv"
    export.touch()
    with pytest.raises(Usage, match="CAPTURED_ON"):
        import_jobs({"mfa": str(export)}, day)


def _report(**run: Any) -> Report:
    defaults = {
        "run_id": "r1",
        "status": "published",
        "quality": "passed",
        "requests_spent": 164,
        "repositories": 40,
        "requests_per_repository": 4.1,
        "scopes_granted": ["repository", "account"],
        "repositories_read": 40,
        "repositories_left": 0,
    }
    test = {"passing": 3, "failing": 1, "pending": 0, "error": 0, "not_applicable": None, "enabled": True}
    tests = [
        {"test_id": "a", "test_title": "Code repo should be classified", **test},
        {"test_id": "b", "test_title": "Pipelines", **test, "enabled": False},
    ]
    return Report(defaults | run, tests, 1.0)


def test_the_table_counts_each_test_and_says_which_did_not_run() -> None:
    lines = render_report(_report()).splitlines()
    assert lines[0].split() == ["passing", "failing", "pending", "error", "not", "applicable"]
    assert lines[1].split()[-5:] == ["3", "1", "0", "0", "0"]
    assert lines[2].endswith("not run")
    assert "164 requests for 40 repositories, 4.1 each; scopes granted: account repository" in lines[-1]


def test_the_report_says_which_repositories_were_not_asked_about_and_why() -> None:
    lines = render_report(_report(repositories_read=5, repositories_left=3)).splitlines()
    assert lines[-2].startswith("32 repositories were read less than a day before") and "FULL_REFRESH=1" in lines[-2]
    assert lines[-1].startswith("3 repositories were due and are left to the next run")


@pytest.mark.parametrize(("word", "on"), [("1", True), ("true", True), ("", False), ("0", False), ("No", False)])
def test_a_full_refresh_is_switched_on_by_a_plain_word(word: str, on: bool) -> None:
    assert is_yes(word) is on


def test_any_other_word_for_a_full_refresh_is_refused() -> None:
    with pytest.raises(Usage, match="FULL_REFRESH=maybe"):
        is_yes("maybe")


def test_overlapping_steps_count_once() -> None:
    def span(start: int, end: int) -> tuple[datetime, datetime]:
        return START + timedelta(seconds=start), START + timedelta(seconds=end)

    assert covered_seconds([span(8, 10), span(0, 5), span(3, 6), span(4, 5)]) == 8
    assert covered_seconds([]) == 0


def test_overhead_is_what_the_work_does_not_cover() -> None:
    assert "overhead 12.5 s" in render_times(30, 20, 7.5)


FAILING_DAG = """
from airflow.sdk import dag, task
import json, logging, os, time

@dag(schedule=None, params={"workspace": ""})
def bitbucket_compliance():
    @task
    def extract():
        logging.getLogger("bitbucket_compliance.x").info("progress: 1 of 2 repositories")
        raise ValueError("no such workspace\\nsecond line")
    @task
    def stage(): pass
    extract() >> stage()
bitbucket_compliance()
"""


@pytest.mark.slow
def test_a_failing_dag_ends_with_its_root_cause_and_every_task_gets_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home, dags, log_file = tmp_path / "airflow", tmp_path / "dags", tmp_path / "run.log"
    home.mkdir()
    dags.mkdir()
    (dags / "toy.py").write_text(FAILING_DAG)
    real = airflow_run.env.airflow_environment
    monkeypatch.setattr(airflow_run.env, "LOCAL", tmp_path)
    monkeypatch.setattr(
        airflow_run.env,
        "airflow_environment",
        lambda folder: real(folder) | {"AIRFLOW__CORE__DAGS_FOLDER": str(dags)},
    )
    services.migrate_airflow(home, log_file)
    connections = services.Connections("postgresql://u:p@h/d", "{}", True)
    job = airflow_run.Job("bitbucket_compliance", {"workspace": "acme"})
    outcome = airflow_run.run_dags([job], connections, home, log_file)
    printed = capsys.readouterr().out
    assert not outcome.succeeded
    assert outcome.reason == "extract: no such workspace"
    assert "1 of 2 repositories" in printed
    assert "failed" in printed and "extract  no such workspace" in printed
    assert "1 tasks behind it did not start" in printed
    assert "second line" in log_file.read_text()


def test_the_failure_callbacks_report_comes_before_what_the_terminal_saw(tmp_path: Path) -> None:
    report = tmp_path / "report.jsonl"
    report.write_text(json.dumps({"task_id": "gate", "error": "coverage is 80 %\nmore"}) + "\nnot json\n")
    assert airflow_run._reported_failures(report) == ["gate: coverage is 80 %"]
