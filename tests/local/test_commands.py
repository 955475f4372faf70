"""The command line: what it refuses before anything starts, and what it prints at the end."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local import __main__ as command_line
from local import airflow_run, dag_runner, run, services
from local.report import Report, covered_seconds, render_report, render_times

START = datetime(2026, 3, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "workspace", ["", "  ", "../etc", "a b", "acme/repo", "https://bitbucket.org/acme", "--x", "{0f1e2d3c-0000-4000}"]
)
def test_a_run_of_no_workspace_starts_nothing_and_ends_with_one_line_that_tells_the_usage(
    workspace: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "_execute", lambda *_, **__: pytest.fail("something was started"))
    monkeypatch.setenv("WORKSPACE", workspace)
    assert command_line.main(["run"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "usage: make run WORKSPACE=slug" in line


@pytest.mark.parametrize("workspace", ["acme", "acme-2_x.y", "{0f1e2d3c-0000-4000-8000-0123456789ab}"])
def test_variables_of_make_reach_a_run(workspace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: list[airflow_run.Job] = []

    def execute(given: airflow_run.Job, *_: object) -> int:
        jobs.append(given)
        return 0

    monkeypatch.setattr(run, "_execute", execute)
    monkeypatch.setenv("WORKSPACE", f" {workspace} ")
    monkeypatch.setenv("FULL_REFRESH", "yes")
    assert command_line.main(["run"]) == 0
    assert [job.conf for job in jobs] == [{"workspace": workspace, "full_refresh": True}]


def test_a_value_of_make_is_no_shell_text_and_no_other_flag(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORKSPACE", "acme --grant=five; true")
    assert command_line.main(["run"]) == 1
    assert "is no workspace slug or uuid" in capsys.readouterr().err


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


def test_any_other_word_for_a_full_refresh_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FULL_REFRESH", "maybe")
    assert command_line.main(["run", "--workspace=acme"]) == 1
    assert "FULL_REFRESH=maybe: write 1" in capsys.readouterr().err


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
    airflow_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dags, log_file = tmp_path / "dags", tmp_path / "run.log"
    dags.mkdir()
    (dags / "toy.py").write_text(FAILING_DAG)
    real = airflow_run.env.airflow_environment
    monkeypatch.setattr(
        airflow_run.env,
        "airflow_environment",
        lambda folder: real(folder) | {"AIRFLOW__CORE__DAGS_FOLDER": str(dags)},
    )
    connections = services.Connections("postgresql://u:p@h/d", "{}", True)
    job = airflow_run.Job("bitbucket_compliance", {"workspace": "acme"})
    outcome = airflow_run.run_dags([job], connections, airflow_home, log_file)
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
    assert dag_runner.reported_failures(report) == ["gate: coverage is 80 %"]
