"""Exports: of one run or one instant, valid by published models, with the same counts when they are read back."""

from __future__ import annotations

import hashlib
import importlib.abc
import io
import itertools
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.sdk.exceptions import AirflowFailException
from psycopg.rows import dict_row
from trestle.oscal.assessment_results import AssessmentResults

from bitbucket_compliance import __main__ as command_line
from bitbucket_compliance.pipeline.publish.publish import reopen
from bitbucket_compliance.registry import exceptions
from bitbucket_compliance.reporting.explain.chain import NothingToExplain
from bitbucket_compliance.reporting.exports.export import Exported, export
from bitbucket_compliance.reporting.exports.formats import NAMES, csv_table, load
from bitbucket_compliance.reporting.exports.model import ExportRefused, ExportWrong, Snapshot, Verdict
from bitbucket_compliance.reporting.exports.snapshot.read import ExportRequest, snapshots, unchanging
from bitbucket_compliance.tasks import export_results
from local import __main__ as make
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.harness import DEMO, Pipeline
from tests.pipeline.small import ACME, small_state, whole_run
from tests.reporting.exports.ocsf_schema import assert_valid_ocsf

Write = Callable[..., Exported]
FORMATS = "bitbucket_compliance.reporting.exports.formats"
ANY_FORMAT = pytest.mark.parametrize("name", NAMES)


def stored(pipeline: Pipeline) -> Counter[tuple[str, str]]:
    rows = pipeline.query("SELECT test_id, status, count(*) AS n FROM compliance.current_results GROUP BY 1, 2")
    return Counter({(row["test_id"], row["status"]): row["n"] for row in rows})


def oscal(made: Exported) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(Path(made.file).read_text())["assessment-results"]
    return document


def props(item: dict[str, Any]) -> dict[str, str]:
    return {prop["name"]: prop["value"] for prop in item["props"]}


# ------------------------------------------------------------------------------------------------- the formats


def test_every_ocsf_line_is_a_compliance_finding_and_says_what_the_database_says(demo: Pipeline, write: Write) -> None:
    findings = [json.loads(line) for line in Path(write(demo.dsn, "ocsf").file).read_text().splitlines()]
    for finding in findings:
        assert_valid_ocsf(finding)
        assert finding["finding_info"]["first_seen_time"] <= finding["finding_info"]["last_seen_time"]
    said = {1: "passing", 2: "pending", 3: "failing", 0: "error", 99: "not_applicable"}
    counts = Counter(
        (finding["finding_info"]["analytic"]["uid"], said[finding["compliance"]["status_id"]]) for finding in findings
    )
    assert counts == stored(demo)
    assert {(finding["class_uid"], finding["type_uid"]) for finding in findings} == {(2003, 200301)}
    assert {(finding["metadata"]["event_code"], finding["status_code"]) for finding in findings} >= {
        ("repo_classified", "PASS"),
        ("repo_classified", "FAIL"),
    }
    assert len({finding["finding_info"]["uid"] for finding in findings}) == len(findings)


def test_an_ocsf_finding_of_an_earlier_instant_was_last_seen_by_the_run_before_it(demo: Pipeline, write: Write) -> None:
    made = write(demo.dsn, "ocsf", run_id=write(demo.dsn, "csv").snapshot.run_id)
    for line in Path(made.file).read_text().splitlines():
        finding = json.loads(line)
        assert_valid_ocsf(finding)
        seen = round(made.snapshot.last_run_at.timestamp() * 1000)
        assert finding["finding_info"]["last_seen_time"] >= max(seen, finding["finding_info"]["created_time"])


def test_an_ocsf_finding_names_controls_subject_and_what_decided(demo: Pipeline, write: Write) -> None:
    lines = [json.loads(line) for line in Path(write(demo.dsn, "ocsf").file).read_text().splitlines()]
    [row] = demo.query(
        "SELECT * FROM compliance.current_results WHERE test_id = 'peer_review_required' AND status = 'failing' "
        "ORDER BY subject_id LIMIT 1"
    )
    [line] = [
        one
        for one in lines
        if one["resources"][0]["uid"] == row["subject_id"]
        and one["unmapped"]["reason_code"] == row["reason_code"]
        and one["finding_info"]["analytic"]["uid"] == row["test_id"]
    ]
    assert line["finding_info"]["uid"] == f"bitbucket-compliance:{DEMO}:peer_review_required:{row['subject_id']}"
    assert line["resources"][0]["name"] == row["subject_name"]
    assert {"SOC 2", "ISO 27001:2022"} <= set(line["compliance"]["standards"])
    assert "SOC 2 CC8.1" in line["compliance"]["requirements"]
    assert line["status_id"] == 1 and line["severity_id"] == 4
    assert line["remediation"]["desc"] == row["remediation"]
    assert line["time"] == round(max(row["evaluated_at"], row["status_since"]).timestamp() * 1000)
    assert {name: line["unmapped"][name] for name in ("basis", "facts_hash", "policy_version", "detail")} == {
        name: row[name] for name in ("basis", "facts_hash", "policy_version", "detail")
    }


def test_an_oscal_document_is_read_whole_by_trestle(demo: Pipeline, write: Write) -> None:
    made = write(demo.dsn, "oscal")
    read = AssessmentResults.oscal_read(Path(made.file))
    assert read is not None
    [result] = read.results
    assert len(result.observations) == sum(stored(demo).values())
    again = Counter((props(one)["test-id"], props(one)["status"]) for one in oscal(made)["results"][0]["observations"])
    assert again == stored(demo)


def test_only_a_test_that_every_subject_passes_is_satisfied(demo: Pipeline, write: Write) -> None:
    findings = {
        finding["target"]["target-id"]: finding["target"]["status"]
        for finding in oscal(write(demo.dsn, "oscal"))["results"][0]["findings"]
    }
    assert findings["peer_review_required"] == {"state": "not-satisfied", "reason": "fail"}
    # The workspace's own evidence is missing: nobody fails, and nothing looks satisfied.
    assert findings["workspace_mfa_enforced"]["state"] == "not-satisfied"
    assert findings["workspace_mfa_enforced"]["reason"] == "other"
    assert "pipelines_enabled" not in findings  # switched off


def test_a_passing_workspace_is_satisfied_as_long_as_its_data_is_fresh(
    pipeline: Pipeline, serve: Callable[[SandboxState], SandboxServer], write: Write
) -> None:
    whole_run(pipeline, serve(small_state(2)))

    def status_of(test_id: str) -> dict[str, Any]:
        findings = oscal(write(pipeline.dsn, "oscal"))["results"][0]["findings"]
        [status] = [one["target"]["status"] for one in findings if one["target"]["target-id"] == test_id]
        return dict(status)

    assert status_of("peer_review_required") == {"state": "satisfied", "reason": "pass"}
    with psycopg.connect(pipeline.dsn) as connection:
        connection.execute("UPDATE compliance.results SET fresh_until = now() - interval '1 second'")
    assert status_of("peer_review_required")["reason"] == "other"
    assert status_of("repo_classified")["reason"] == "fail"


def test_an_ocsf_finding_that_passed_on_data_too_old_says_stale_and_never_pass(
    pipeline: Pipeline, serve: Callable[[SandboxState], SandboxServer], write: Write
) -> None:
    acme = serve(small_state(2))
    acme.state.workspaces[0].repositories[0].restrictions = []
    whole_run(pipeline, acme)

    def told() -> dict[str, tuple[str, ...]]:
        findings = [json.loads(line) for line in Path(write(pipeline.dsn, "ocsf").file).read_text().splitlines()]
        for finding in findings:
            assert_valid_ocsf(finding)
        return {
            one["resources"][0]["name"]: (
                one["status_code"],
                one["status"],
                one["compliance"]["status"],
                one["compliance"]["checks"][0]["status"],
                one["unmapped"]["status"],
                one["unmapped"]["is_stale"],
            )
            for one in findings
            if one["metadata"]["event_code"] == "peer_review_required"
        }

    failing = ("FAIL", "New", "Fail", "Fail", "failing")
    assert told() == {
        "repo-0": (*failing, False),
        "repo-1": ("PASS", "Other", "Pass", "Pass", "passing", False),
    }
    with psycopg.connect(pipeline.dsn) as connection:
        connection.execute("UPDATE compliance.results SET fresh_until = now() - interval '1 second'")
    assert told() == {
        "repo-0": (*failing, True),
        "repo-1": ("STALE", "Unknown", "Unknown", "Unknown", "passing", True),
    }


def test_everything_an_oscal_document_points_to_is_in_it(demo: Pipeline, write: Write) -> None:
    document = oscal(write(demo.dsn, "oscal"))
    [result] = document["results"]
    local = result["local-definitions"]
    defined = {item["uuid"] for name in ("inventory-items", "users", "components") for item in local[name]}
    tool = {component["uuid"] for component in local["assessment-assets"]["components"]}
    observed = {one["uuid"] for one in result["observations"]}
    assert {subject["subject-uuid"] for one in result["observations"] for subject in one["subjects"]} <= defined
    assert {actor["actor-uuid"] for one in result["observations"] for actor in one["origins"][0]["actors"]} == tool
    related = [link["observation-uuid"] for one in result["findings"] for link in one["related-observations"]]
    assert set(related) <= observed and len(set(related)) == len(related)
    assert document["import-ap"]["href"] == f"#{document['back-matter']['resources'][0]['uuid']}"
    assert len(observed) == len(result["observations"])


def test_the_method_of_an_observation_says_whether_the_pipeline_looked_itself(demo: Pipeline, write: Write) -> None:
    methods: dict[str, set[str]] = {}
    for one in oscal(write(demo.dsn, "oscal"))["results"][0]["observations"]:
        methods.setdefault(props(one).get("basis", "none"), set()).update(one["methods"])
    assert methods["configuration"] == methods["behaviour"] == {"TEST"}
    assert methods["registry"] == methods["evidence"] == {"EXAMINE"}
    assert methods["none"] == {"UNKNOWN"}


def test_a_parquet_file_has_types_and_says_what_it_is_of(demo: Pipeline, write: Write) -> None:
    made = write(demo.dsn, "parquet")
    table = pq.read_table(made.file)
    assert table.schema.field("failing_since").type == pa.timestamp("us", tz="UTC")
    assert table.schema.field("is_stale").type == pa.bool_()
    assert json.loads(table.schema.metadata[b"bitbucket_compliance"])["as_of"] == made.snapshot.describe()["as_of"]
    rows = demo.query("SELECT * FROM compliance.current_results")
    expected = {(row["test_id"], row["subject_id"]): row for row in rows}
    for row in table.to_pylist():
        stored_row = expected.pop((row["test_id"], row["subject_id"]))
        assert json.loads(row["detail"]) == stored_row["detail"]
        assert row["due_at"] == stored_row["due_at"] and row["reason"] == stored_row["reason"]
    assert not expected


def test_tables_have_the_columns_of_the_published_results(demo: Pipeline, write: Write) -> None:
    [columns] = demo.query(
        "SELECT array_agg(column_name::text ORDER BY ordinal_position) AS names FROM information_schema.columns"
        " WHERE table_schema = 'compliance' AND table_name = 'current_results'"
    )
    accepted = ("owner", "approver", "reason", "expires_at", "self_accepted")
    expected = [
        *("as_of", "as_of_run", *columns["names"]),
        *(f"exception_{name}" for name in accepted),
        "evidence_self_accepted",
    ]
    assert pq.read_schema(write(demo.dsn, "parquet").file).names == expected
    header = Path(write(demo.dsn, "csv").file).read_bytes().decode().partition("\r\n")[0]
    assert header == ",".join(f'"{name}"' for name in expected)


# -------------------------------------------------------------------------------------------- what it is of


@ANY_FORMAT
def test_an_export_says_of_what_it_is_and_a_manifest_stands_beside_it(name: str, demo: Pipeline, write: Write) -> None:
    made = write(demo.dsn, name)
    manifest = json.loads(Path(made.manifest).read_text())
    assert manifest["sha256"] == hashlib.sha256(Path(made.file).read_bytes()).hexdigest()
    assert (manifest["workspace"], manifest["run_id"], manifest["format"]) == (DEMO, made.snapshot.run_id, name)
    assert manifest["verdicts"] == sum(stored(demo).values()) == sum(manifest["by_status"].values())
    assert Path(made.file).name.startswith(f"{DEMO}_{made.snapshot.as_of:%Y%m%dT%H%M%S}")
    said = Path(made.file).read_bytes()
    assert (made.snapshot.run_id.encode() in said and manifest["as_of"].encode() in said) or name == "parquet"


@ANY_FORMAT
def test_the_same_run_gives_the_same_bytes(name: str, demo: Pipeline, write: Write, tmp_path: Path) -> None:
    run_id = write(demo.dsn, name).snapshot.run_id
    once = write(demo.dsn, name, tmp_path / "1", run_id=run_id)
    again = write(demo.dsn, name, tmp_path / "2", run_id=run_id)
    assert Path(once.file).name == Path(again.file).name and f"run-{run_id}" in Path(once.file).name
    assert Path(once.file).read_bytes() == Path(again.file).read_bytes()
    assert Path(once.manifest).read_bytes() == Path(again.manifest).read_bytes()


def test_a_run_and_an_instant_show_the_state_of_then(
    pipeline: Pipeline, serve: Callable[[SandboxState], SandboxServer], write: Write
) -> None:
    acme = serve(small_state(3))
    first_run = whole_run(pipeline, acme)
    between = pipeline.query("SELECT clock_timestamp() AS moment")[0]["moment"]
    acme.state.workspaces[0].repositories[0].restrictions = []
    acme.state.workspaces[0].repositories.pop()
    second_run = whole_run(pipeline, acme)

    def seen(**wanted: Any) -> dict[tuple[str, str], str]:
        table = pq.read_table(write(pipeline.dsn, "parquet", **wanted).file).to_pylist()
        return {(row["test_id"], row["subject_name"]): row["status"] for row in table}

    before, after = seen(run_id=first_run), seen(run_id=second_run)
    assert seen(at=between.isoformat()) == before
    assert seen() == seen(at=f"{datetime.now(UTC):%Y-%m-%d}") == after
    assert before["peer_review_required", "repo-0"] == "passing"
    assert after["peer_review_required", "repo-0"] == "failing"
    assert ("repo_classified", "repo-2") in before and ("repo_classified", "repo-2") not in after


def test_dates_of_an_instant_are_those_that_were_published_then(
    pipeline: Pipeline, serve: Callable[[SandboxState], SandboxServer], write: Write
) -> None:
    """Through failing, an error, failing again, a fix and a subject that left and came back."""
    acme = serve(small_state(3))
    repositories = acme.state.workspaces[0].repositories
    published, away = [], repositories[2]
    kept = list(repositories[0].restrictions)
    for step in (
        lambda: None,
        lambda: repositories[0].restrictions.clear(),
        lambda: repositories.remove(away),
        lambda: repositories[0].restrictions.extend(kept),
        lambda: repositories.append(away),
        lambda: repositories[1].restrictions.clear(),
    ):
        step()
        run_id = whole_run(pipeline, acme)
        published.append(
            (run_id, pipeline.query("SELECT * FROM compliance.current_results ORDER BY test_id, subject_id"))
        )
    kept_columns = (
        "test_id",
        "subject_id",
        "subject_name",
        "status",
        "basis",
        "reason_code",
        "reason",
        "remediation",
        "severity",
        "test_title",
        "first_seen_at",
        "status_since",
        "failing_since",
        "due_at",
        "policy_version",
        "facts_hash",
        "is_stale",
    )
    for run_id, rows in published:
        table = pq.read_table(write(pipeline.dsn, "parquet", run_id=run_id).file).to_pylist()
        table.sort(key=lambda row: (row["test_id"], row["subject_id"]))
        assert [{name: row[name] for name in kept_columns} for row in table] == [
            {name: row[name] for name in kept_columns} for row in rows
        ]


def test_what_was_too_old_at_an_instant_is_stale_there(demo: Pipeline, write: Write) -> None:
    with psycopg.connect(demo.dsn, row_factory=dict_row) as connection, unchanging(connection):
        [snapshot] = snapshots(connection, ExportRequest(run_id=write(demo.dsn, "csv").snapshot.run_id))
        from bitbucket_compliance.core.database import run_sql

        keys = {"workspace": DEMO, "last_run_at": snapshot.last_run_at}
        for hours, expected in ((47, {False}), (49, {True})):
            at_that_time = {**keys, "as_of": snapshot.as_of + timedelta(hours=hours)}
            rows = run_sql(connection, "reporting/exports/snapshot/results_at.sql", at_that_time)
            assert {row["is_stale"] for row in rows} == expected


# ------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"workspace": "nowhere"}, f"'nowhere' was ever published; there are {DEMO}"),
        ({"run_id": "nope"}, "RUN=nope: no such run has published"),
        ({"at": "2020-01-01"}, "no result was published by 2020-01-01 23:59:59 UTC"),
        ({"at": "2020-01-01", "run_id": "r"}, "give AT or RUN, not both"),
        ({"at": "yesterday"}, "AT=yesterday is no date"),
        ({"at": "2999-01-01"}, "AT=2999-01-01 lies in the future"),
    ],
)
def test_what_can_not_be_exported_is_refused_in_one_line(
    wanted: dict[str, str], said: str, demo: Pipeline, write: Write, tmp_path: Path
) -> None:
    with pytest.raises((ExportRefused, NothingToExplain)) as refused:
        write(demo.dsn, "csv", **wanted)
    assert said in str(refused.value) and "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_a_run_of_another_workspace_is_refused(demo: Pipeline, write: Write) -> None:
    run_id = write(demo.dsn, "csv").snapshot.run_id
    with pytest.raises(ExportRefused, match=f"is a run of {DEMO}, not of {ACME}"):
        write(demo.dsn, "csv", run_id=run_id, workspace=ACME)


def test_a_database_without_results_is_told_what_to_do(dsn: str, write: Write) -> None:
    with pytest.raises(ExportRefused, match="nothing was published yet: run `make run"):
        write(dsn, "csv")


def test_a_folder_that_can_not_be_written_to_is_named(demo: Pipeline, write: Write, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ExportRefused, match="file: can't be written to"):
        write(demo.dsn, "csv", tmp_path / "file")


@ANY_FORMAT
def test_a_file_that_lost_a_row_is_an_error_and_leaves_nothing_behind(
    name: str, demo: Pipeline, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bitbucket_compliance.reporting.exports import export as module

    whole = module.load(name)

    def lose_one(file: IO[bytes], snapshot: Snapshot, verdicts: Iterable[Verdict]) -> None:
        whole.write(file, snapshot, list(verdicts)[1:])

    monkeypatch.setattr(module, "load", lambda _: replace(whole, write=lose_one))
    with pytest.raises(ExportWrong, match="the file was removed"):
        write(demo.dsn, name)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_publication_in_the_middle_of_an_export_is_not_in_it(demo: Pipeline, pipeline: Pipeline) -> None:
    with psycopg.connect(demo.dsn, row_factory=dict_row) as connection, unchanging(connection):
        before = snapshots(connection, ExportRequest())
        with psycopg.connect(demo.dsn) as other:
            other.execute("CREATE TABLE public.mark AS SELECT 1")
            other.execute("UPDATE compliance.results SET status = 'failing' WHERE test_id = 'repo_classified'")
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                connection.execute("DELETE FROM compliance.results")
            other.rollback()
    assert before[0].counts == stored(demo)


# -------------------------------------------------------------------------------------------------- ways in


@pytest.fixture
def target(demo: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the configuration names for the DAG."""
    monkeypatch.setenv("AIRFLOW_CONN_COMPLIANCE_POSTGRES", demo.dsn)
    monkeypatch.setenv("COMPLIANCE_EXPORT_TARGET", str(tmp_path / "exports"))
    return tmp_path / "exports"


def test_the_dag_s_task_writes_to_the_configured_folder_and_below(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in NAMES:
        for wanted in ("", "2026/q1", str(target / "whole")):
            [file] = export_results.export_results(name, DEMO, "", "", wanted)
            assert Path(file).stat().st_size > 0
    monkeypatch.setenv("COMPLIANCE_EXPORT_TARGET", target.as_uri())
    export_results.export_results("csv", DEMO, "", "", (target / "address").as_uri())
    assert {path.name for path in target.iterdir() if path.is_dir()} == {"2026", "whole", "address"}
    files = [path for path in target.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".jsonl", ".json", ".csv", ".parquet"}
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert len(list(target.rglob("*.manifest.json"))) == 3 * len(NAMES) + 1


def test_the_dag_s_task_writes_to_an_object_store(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec
    from airflow.sdk.io import attach

    store = fsspec.filesystem("memory")
    attach("memory", fs=store)
    monkeypatch.setenv("COMPLIANCE_EXPORT_TARGET", "memory://bucket/exports")
    places = itertools.cycle(("", "q1", "memory://bucket/exports", "memory://bucket/exports/q1/"))
    for name, wanted in zip(NAMES, places, strict=False):
        [file] = export_results.export_results(name, DEMO, "", "", wanted)
        assert file.startswith("memory://bucket/exports/")
    names = [path.rpartition("/")[2] for path in store.find("/bucket/exports")]
    assert len(names) == 2 * len(NAMES) and not [one for one in names if one.endswith(".part")]


def test_the_dag_s_task_fails_for_good_where_waiting_can_not_help(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AirflowFailException, match="'nowhere' was ever published"):
        export_results.export_results("csv", "nowhere", "", "", "")
    for store in ("s3://bucket", "nosuch://bucket"):
        monkeypatch.setenv("COMPLIANCE_EXPORT_TARGET", store)
        with pytest.raises(AirflowFailException, match=r"COMPLIANCE_EXPORT_TARGET: .*; install Airflow's provider"):
            export_results.export_results("csv", DEMO, "", "", "")


def test_a_login_that_is_the_pipeline_and_no_more_can_export(demo: Pipeline, write: Write) -> None:
    role = f"{demo.dsn}?options=-c%20role%3Dcompliance_pipeline"
    for request in ({}, {"at": datetime.now(UTC).isoformat()}):
        assert write(role, "csv", **request).snapshot.verdicts == sum(stored(demo).values())


def test_the_command_prints_file_and_counts(
    demo: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_COMPLIANCE_POSTGRES", demo.dsn)
    assert command_line.main(["export", "--format=csv", f"--out={tmp_path}"]) == 0
    [file] = tmp_path.glob("*.csv")
    printed = capsys.readouterr().out
    assert str(file) in printed and "42 failing" in printed


def test_without_a_folder_the_command_asks_for_one(
    demo: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_COMPLIANCE_POSTGRES", demo.dsn)
    monkeypatch.delenv("COMPLIANCE_EXPORT_TARGET", raising=False)
    assert command_line.main(["export", "--format=csv"]) == 1
    assert "--out is missing" in capsys.readouterr().err
    monkeypatch.setenv("COMPLIANCE_EXPORT_TARGET", str(tmp_path))
    assert command_line.main(["export", "--format=csv"]) == 0
    assert list(tmp_path.glob("*.csv"))


@pytest.mark.parametrize(("name", "module"), [("oscal", "trestle"), ("parquet", "pyarrow")])
def test_a_format_whose_library_is_not_installed_says_what_to_install(
    name: str, module: str, demo: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_COMPLIANCE_POSTGRES", demo.dsn)
    monkeypatch.setenv("COMPLIANCE_EXPORT_TARGET", str(tmp_path))
    for loaded in [one for one in sys.modules if one.partition(".")[0] == module or f"{FORMATS}." in one]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setattr(sys, "meta_path", [_Missing(module), *sys.meta_path])
    said = rf"FORMAT={name}: the Python module {module}\S* is not installed; run: pip install -r (\S+)"
    with pytest.raises(AirflowFailException, match=said):
        export_results.export_results(name, DEMO, "", "", str(tmp_path))
    assert command_line.main(["export", "--format", name, "--out", str(tmp_path)]) == 1
    [line] = capsys.readouterr().err.splitlines()
    found = re.search(said, line)
    assert found and Path(found[1]).is_file()
    assert list(tmp_path.iterdir()) == []
    # CSV needs none of them.
    assert export_results.export_results("csv", DEMO, "", "", str(tmp_path))


class _Missing(importlib.abc.MetaPathFinder):
    """As if a package were not installed."""

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(self, name: str, *_: Any) -> None:
        if name.partition(".")[0] == self._package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "usage: make export FORMAT=ocsf|ocsf-array|oscal|csv|csv-excel|parquet"),
        ({"FORMAT": "xml"}, "FORMAT=xml: choose one of ocsf, ocsf-array, oscal, csv, csv-excel, parquet"),
        ({"FORMAT": "csv", "OUT": "s3://bucket"}, "OUT=s3://bucket: give a folder of this machine"),
    ],
)
def test_a_wrong_call_ends_with_one_line(
    variables: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert make.main(["export"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert said in line


def test_an_array_of_ocsf_is_one_json_document_with_the_findings_of_the_lines(demo: Pipeline, write: Write) -> None:
    run_id = write(demo.dsn, "csv").snapshot.run_id
    lines = Path(write(demo.dsn, "ocsf", run_id=run_id).file).read_text().splitlines()
    findings = json.loads(Path(write(demo.dsn, "ocsf-array", run_id=run_id).file).read_text())
    assert findings == [json.loads(line) for line in lines]
    # what DefectDojo's importers of cloud findings take from each
    for finding in findings:
        assert finding["status_code"] in ("PASS", "FAIL", "PENDING", "ERROR", "NOT_APPLICABLE")
        assert finding["severity"] in ("Critical", "High", "Medium")
        assert (
            datetime.fromisoformat(finding["time_dt"]) and finding["status_detail"] and finding["finding_info"]["uid"]
        )
        assert all(isinstance(one, list) for one in finding["unmapped"]["compliance"].values())


@pytest.mark.parametrize("broken", [b"", b"[\n", b"[]\n{}", b"[\n{},\n]\n", b"{}\n"])
def test_a_broken_array_of_ocsf_is_noticed_when_it_is_read_back(broken: bytes) -> None:
    with pytest.raises((ValueError, KeyError)):
        load("ocsf-array").count(io.BytesIO(broken))


def test_a_csv_for_excel_begins_with_a_byte_order_mark_and_else_is_the_same(demo: Pipeline, write: Write) -> None:
    run_id = write(demo.dsn, "parquet").snapshot.run_id
    plain = Path(write(demo.dsn, "csv", run_id=run_id).file)
    excel = Path(write(demo.dsn, "csv-excel", run_id=run_id).file)
    assert plain != excel and excel.read_bytes() == b"\xef\xbb\xbf" + plain.read_bytes()
    with pytest.raises(ValueError, match="byte order mark"):
        load("csv-excel").count(io.BytesIO(plain.read_bytes()))


def test_every_format_says_whose_risk_was_accepted_by_whom_and_until_when(
    pipeline: Pipeline, serve: Callable[[SandboxState], SandboxServer], write: Write
) -> None:
    acme = serve(small_state(2))
    for repository in acme.state.workspaces[0].repositories:
        repository.restrictions = []
    whole_run(pipeline, acme)
    with psycopg.connect(pipeline.dsn, row_factory=dict_row) as connection:
        expires_at = exceptions.end_of_day(connection, datetime.now(UTC).date() + timedelta(days=20), ACME)
        asked = exceptions.ExceptionRequest(
            test_id="peer_review_required", workspace=ACME, owner="os:olga", reason="It moves in June.",
            expires_at=expires_at, subject="repo-0",
        )  # fmt: skip
        noted = exceptions.request(connection, asked, requested_by="os:olga")
        exceptions.decide(connection, noted.exception_id, "accept", decided_by="os:ben")
        reopen(connection, ACME)
    exception_id, until = str(noted.exception_id), expires_at.astimezone(UTC)
    for when in ({}, {"at": datetime.now(UTC).isoformat()}):
        table = pq.read_table(write(pipeline.dsn, "parquet", **when).file).to_pylist()
        [row] = [one for one in table if one["exception_id"]]
        assert (row["subject_name"], row["status"]) == ("repo-0", "failing")
        shown = [row[f"exception_{name}"] for name in ("owner", "approver", "reason", "expires_at", "self_accepted")]
        assert shown == ["os:olga", "os:ben", "It moves in June.", until, False]
        with Path(write(pipeline.dsn, "csv", **when).file).open("rb") as file:
            [cells] = [one for one in csv_table.read(file) if one["exception_id"]]
        assert (cells["exception_id"], cells["exception_approver"]) == (exception_id, "os:ben")
        findings = [
            json.loads(line) for line in Path(write(pipeline.dsn, "ocsf", **when).file).read_text().splitlines()
        ]
        [finding] = [one for one in findings if one["status"] == "Suppressed"]
        assert_valid_ocsf(finding)
        assert (finding["status_code"], finding["resources"][0]["name"]) == ("FAIL", "repo-0")
        assert finding["comment"] == f"Risk accepted by os:ben until {until:%Y-%m-%d %H:%M} UTC: It moves in June."
        [result] = oscal(write(pipeline.dsn, "oscal", **when))["results"]
        [risk] = result["risks"]
        assert (risk["status"], risk["statement"]) == ("deviation-approved", "It moves in June.")
        assert props(risk)["exception-id"] == exception_id and props(risk)["approver"] == "os:ben"
        [related] = [one["observation-uuid"] for one in risk["related-observations"]]
        [seen] = [one for one in result["observations"] if one["uuid"] == related]
        assert props(seen)["exception-id"] == exception_id
        [target] = [one for one in result["findings"] if "related-risks" in one]
        assert target["related-risks"] == [{"risk-uuid": risk["uuid"]}]
        assert target["target"]["status"]["state"] == "not-satisfied"


def test_csv_reads_back_every_cell(demo: Pipeline, write: Write) -> None:
    rows = {(row["test_id"], row["subject_id"]): row for row in demo.query("SELECT * FROM compliance.current_results")}
    with Path(write(demo.dsn, "csv").file).open("rb") as file:
        for cells in csv_table.read(file):
            row = rows.pop((cells["test_id"], cells["subject_id"]))
            assert cells["subject_name"] == row["subject_name"]
            assert json.loads(cells["detail"]) == row["detail"]
    assert not rows


def test_two_workspaces_are_two_files(
    demo: Pipeline, tmp_path: Path, pipeline: Pipeline, serve: Callable[[SandboxState], SandboxServer]
) -> None:
    whole_run(pipeline, serve(small_state(1)))
    whole_run(pipeline, serve(small_state(1, slug="other")), workspace="other")
    with psycopg.connect(pipeline.dsn, row_factory=dict_row) as connection:
        made = export(connection, "csv", ExportRequest(), tmp_path)
    assert [one.snapshot.workspace for one in made] == [ACME, "other"]
    assert len({one.file for one in made}) == 2
