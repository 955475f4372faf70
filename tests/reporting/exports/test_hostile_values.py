"""Names that people choose in Bitbucket come out of every format as they went in, and harmless."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trestle.oscal.assessment_results import Model

from bitbucket_compliance.reporting.exports.formats import NAMES, csv_table, load, oscal
from bitbucket_compliance.reporting.exports.model import (
    Counts,
    MappedControl,
    PublishedTest,
    Snapshot,
    Verdict,
    one_line,
)
from tests.reporting.exports.ocsf_schema import assert_valid_ocsf

FORMULA_STARTS = "=+-@\t\r\n"
NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
# What Postgres can store.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
HOSTILE = (
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "'=1",
    "''",
    "＝1",
    "a\nb\r\nc",
    'a"b,c;d',
    " lead and trail ",
    "",
    " ",
    "\u2028",
    "\u202egnp.exe",
    "😀",
    "<script>alert(1)</script>",
    "{{ 7 * 7 }}",
    '"}, {"uuid": "x',
    "]\n",
)


def verdict(name: str, **more: object) -> Verdict:
    values = {
        "workspace": "acme",
        "test_id": "repo_classified",
        "test_title": "Code repo should be classified",
        "severity": "critical",
        "subject_type": "repository",
        "subject_id": "{3f2b0c5e-0000-4000-8000-000000000001}",
        "subject_name": name,
        "status": "failing",
        "basis": "registry",
        "reason_code": "unclassified",
        "reason": f"{name} is not classified.",
        "remediation": None,
        "detail": {"name": name, name: [name]},
        "first_seen_at": NOW,
        "status_since": NOW,
        "failing_since": NOW,
        "due_at": NOW,
        "exception_id": None,
        "evidence_id": None,
        "bypassable": None,
        "bypassed": None,
        "workspace_id": None,
        "data_as_of": NOW,
        "fresh_until": NOW,
        "is_stale": False,
        "evaluated_at": NOW,
        "run_id": "run-1",
        "policy_version": "p1",
        "facts_hash": "f" * 64,
    }
    return Verdict(**(values | more))  # type: ignore[arg-type]


def snapshot(counts: Counts, name: str = "acme") -> Snapshot:
    test = PublishedTest(
        "repo_classified",
        "Code repo should be classified",
        "Every one is.",
        (MappedControl("CIS Software Supply Chain 1.0", "1.1.3 (b)", "supporting", "the guide"),),
    )
    return Snapshot(name, "instant", NOW, "run-1", NOW, "p1", counts, {test.test_id: test})


def written(name: str, *verdicts: Verdict, workspace: str = "acme") -> bytes:
    file = io.BytesIO()
    load(name).write(file, snapshot(Counts((one.test_id, one.status) for one in verdicts), workspace), verdicts)
    return file.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("format_name", NAMES)
@settings(deadline=None, derandomize=True, max_examples=60)
@given(name=TEXTS)
def test_any_name_is_exported_validly_and_counted(format_name: str, name: str) -> None:
    file = io.BytesIO(written(format_name, verdict(name), workspace=name))
    assert load(format_name).count(file) == {("repo_classified", "failing"): 1}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_comes_back_as_it_was(name: str) -> None:
    [row] = csv_table.read(io.BytesIO(written("csv", verdict(name))))
    assert row["subject_name"] == name
    assert pq.read_table(io.BytesIO(written("parquet", verdict(name)))).to_pylist()[0]["subject_name"] == name
    finding = json.loads(written("ocsf", verdict(name)))
    assert_valid_ocsf(finding)
    assert finding["resources"][0]["name"] == name
    document = json.loads(written("oscal", verdict(name)))
    result = document["assessment-results"]["results"][0]
    assert result["local-definitions"]["inventory-items"][0]["description"] == name
    [detail] = [one["value"] for one in result["observations"][0]["props"] if one["name"] == "detail"]
    assert json.loads(detail) == {"name": name, name: [name]}
    Model.model_validate(document)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(name=st.one_of(TEXTS, st.text("'=+-@\t\r\n＝a;,| \"", max_size=8)))
def test_no_csv_cell_begins_as_a_formula_and_each_can_be_had_back(name: str) -> None:
    text = written("csv", verdict(name, reason=name)).decode()
    for cells in csv.reader(io.StringIO(text, newline="")):
        for cell in cells:
            assert not cell.startswith(tuple(FORMULA_STARTS))
    # A spreadsheet may take another list separator, and one inside quotes.
    for cell in re.split(r"[,;|\t\r\n]", text):
        assert not cell.strip(' "').startswith(tuple("=+-@＝"))
    assert csv_table.original(csv_table.safe(name)) == name


def test_an_ordinary_cell_is_left_alone() -> None:
    for cell in ("", "payments", "'quoted'", "a=b", "1", "it's -1", "a, b; c|d", '{"a": 1, "b": [2]}'):
        assert csv_table.safe(cell) == cell


@pytest.mark.parametrize(
    "cell", ["x;=1+1", "x,=1+1", "x\t=1+1", "x\n=1+1", "x; =1+1", 'x;"=1+1', "x;'=1+1", "a|@SUM(A1)"]
)
def test_a_formula_behind_another_list_separator_is_none(cell: str) -> None:
    assert csv_table.safe(cell) == cell[:2] + "'" + cell[2:]
    assert csv_table.original(csv_table.safe(cell)) == cell


@pytest.mark.parametrize("run", ["\t", ";", "'", '"', ";'", "\t'=", " ;", "="])
def test_no_cell_keeps_the_export_busy(run: str) -> None:
    cell = run * 100_000
    began = time.monotonic()
    assert csv_table.original(csv_table.safe(cell)) == cell
    assert time.monotonic() - began < 10


@settings(deadline=None, derandomize=True)
@given(text=TEXTS)
def test_one_line_is_one_line(text: str) -> None:
    line = one_line(text)
    assert line and line == line.strip() and len(line.splitlines()) == 1


def test_a_subject_that_oscal_can_not_name_gets_a_stable_uuid() -> None:
    odd = verdict("x", subject_id="{00000000-0000-1000-0000-000000000001}")
    assert written("oscal", odd) == written("oscal", odd)
    assert oscal.count(io.BytesIO(written("oscal", odd))) == {("repo_classified", "failing"): 1}


def test_a_broken_piece_of_oscal_is_noticed_when_it_is_read_back() -> None:
    broken = written("oscal", verdict("x")).replace(b'"methods":["EXAMINE"]', b'"methods":[]')
    with pytest.raises(ValueError, match="methods"):
        oscal.count(io.BytesIO(broken))


def test_an_accepted_risk_is_suppressed_and_still_failing() -> None:
    finding = json.loads(written("ocsf", verdict("x", exception_id="e1")))
    assert finding["status"] == "Suppressed" and finding["compliance"]["status_id"] == 3
    result = json.loads(written("oscal", verdict("x", exception_id="e1")))["assessment-results"]["results"][0]
    assert result["findings"][0]["target"]["status"]["state"] == "not-satisfied"
