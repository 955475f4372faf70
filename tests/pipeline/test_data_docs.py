"""The page of a gate: whole, readable without a network, free of what must not be on it, cleared away in time."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from bitbucket_compliance.pipeline.gate import data_docs
from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.harness import Pipeline
from tests.pipeline.small import ACME, FAST, extract, small_state, write_csv

pytestmark = pytest.mark.filterwarnings("ignore:You are using a generic SQLDatasource")

Serve = Callable[[SandboxState], SandboxServer]

PRIVATE = "every repository says whether it is private"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the pages go."""
    monkeypatch.setenv(data_docs.BASE_VARIABLE, str(tmp_path / "pages"))
    return tmp_path / "pages"


@pytest.fixture
def run_id(pipeline: Pipeline, serve: Serve, folder: Path, tmp_path: Path) -> str:
    """A staged run of three repositories, its members matched by their addresses."""
    people = [(f"person-{n}@example.com", f"Person {n}", "active", "", "") for n in range(4)]
    pipeline.take("roster", write_csv(tmp_path / "roster.csv", "email,name,status,end_date,account_id", people))
    pipeline.connect_to(serve(small_state(3)), "admin", **FAST)
    started = extract()
    assert pipeline.query("SELECT count(*) AS n FROM staging.member_emails")[0]["n"] == 4
    return started


def execute(pipeline: Pipeline, statement: LiteralString, values: Sequence[object] = ()) -> None:
    with psycopg.connect(pipeline.dsn, autocommit=True) as connection:
        assert connection.execute(statement, values).rowcount > 0


def pages(pipeline: Pipeline, run_id: str) -> dict[str, str]:
    """Address of each gate's page, as a reader sees it."""
    row = pipeline.query("SELECT data_docs FROM compliance.runs WHERE run_id = %s", (run_id,))[0]
    return row["data_docs"] or {}


class Page(HTMLParser):
    """What a page says, and everything in it that could load or run something."""

    def __init__(self, text: str):
        super().__init__()
        self.words: list[str] = []
        self.active: list[str] = []
        self._in_style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        if tag in ("script", "link", "img", "iframe", "object", "embed", "form", "base"):
            self.active.append(tag)
        self.active += [
            name for name, _ in attrs if name in ("src", "href", "srcset", "action") or name.startswith("on")
        ]

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.active += re.findall(r"url\(|@import", data)
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_a_gate_that_holds_leaves_a_page_with_every_expectation(pipeline: Pipeline, run_id: str, folder: Path) -> None:
    tasks.gate(ACME, run_id, "staging")
    pipeline.judge(run_id, ACME)
    tasks.gate(ACME, run_id, "results")
    pipeline.release(ACME)
    found = pages(pipeline, run_id)
    assert found == {gate: f"file://{folder}/{ACME}/{run_id}/{gate}.html" for gate in ("staging", "results")}
    for gate, address in found.items():
        page = Page(Path(address.removeprefix("file://")).read_text())
        assert run_id in page.text and "Passed." in page.text
        rows = pipeline.query(
            "SELECT description FROM quality.expectation_results WHERE run_id = %s AND gate = %s", (run_id, gate)
        )
        assert [row["description"] for row in rows if row["description"] not in page.text] == []
        assert page.active == []


def test_a_gate_that_fails_leaves_a_page_with_its_rows_and_the_way_out_and_nothing_that_runs(
    pipeline: Pipeline, run_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    execute(
        pipeline,
        "UPDATE staging.repositories SET is_private = null, slug = '<script>alert(1)</script>' WHERE slug = 'repo-1'",
    )
    execute(pipeline, "UPDATE staging.member_emails SET email = ' ' || upper(email)")
    execute(pipeline, "UPDATE staging.granted_scopes SET run_id = 'another'")
    with pytest.raises(AirflowFailException):
        tasks.gate(ACME, run_id, "staging")
    pipeline.release(ACME)
    address = pages(pipeline, run_id)["staging"]
    assert f"page of gate staging: {address}" in caplog.text
    text = Path(address.removeprefix("file://")).read_text()
    page = Page(text)
    assert "Failed: nothing was published." in page.text and run_id in page.text
    assert "critical : the granted scopes are those of this run" in page.text
    assert f"holds back : {PRIVATE} Way out: Bitbucket's listing left it out" in page.text
    assert "<script>alert(1)</script>" in page.text, "shown as text"
    assert "is_normalised" in page.text and "4 rows" in page.text
    assert page.active == [] and "http" not in text.replace("http-equiv", "")
    assert "example.com" not in text.lower() and "person" not in text.lower(), "nobody's address or name"


def test_a_page_that_can_not_be_written_stops_nothing_and_is_told(
    pipeline: Pipeline, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv(data_docs.BASE_VARIABLE, str(tmp_path / "file"))
    tasks.gate(ACME, run_id, "staging")
    pipeline.release(ACME)
    assert pages(pipeline, run_id) == {}
    assert "its page could not be written" in caplog.text and data_docs.BASE_VARIABLE in caplog.text
    row = pipeline.query("SELECT quality FROM compliance.runs WHERE run_id = %s", (run_id,))[0]
    assert row["quality"] == "passed"


def test_pages_of_all_but_the_newest_runs_are_cleared_away_and_nothing_else(
    pipeline: Pipeline, run_id: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_docs, "RUNS_KEPT", 2)
    written = {}
    for days, name in ((1, "kept"), (2, "old"), (3, "older"), (4, "elsewhere")):
        page = folder / ACME / name / "staging.html"
        page.parent.mkdir(parents=True)
        page.write_text("a page")
        written[name] = page
        address = "s3://bucket/staging.html" if name == "elsewhere" else f"file://{page}"
        execute(
            pipeline,
            "INSERT INTO integration.runs (run_id, workspace, started_at, policy_version, data_docs)"
            " VALUES (%s, %s, now() - make_interval(days => %s), 'p', %s)",
            (name, ACME, days, Jsonb({"staging": address})),
        )
    (written["older"].parent / "notes.txt").write_text("somebody's")
    tasks.gate(ACME, run_id, "staging")
    pipeline.release(ACME)
    assert {name for name, page in written.items() if page.exists()} == {"kept", "elsewhere"}
    assert not written["old"].parent.exists() and (written["older"].parent / "notes.txt").exists()
    assert {name for name in written if pages(pipeline, name)} == {"kept", "elsewhere"}
    assert Path(pages(pipeline, run_id)["staging"].removeprefix("file://")).exists()


@settings(deadline=None, derandomize=True, max_examples=200)
@given(names=st.sets(st.text(max_size=120) | st.sampled_from(["..", ".", "a:b", "a_b", "a/b", "x" * 300]), min_size=2))
def test_names_of_folders_are_safe_and_distinct(names: set[str]) -> None:
    safe = [data_docs.safe_name(name) for name in names]
    assert len(set(safe)) == len(names)
    for name in safe:
        assert re.fullmatch(r"[A-Za-z0-9_.-]{1,120}", name) and not name.startswith(".")


def test_a_run_shows_the_addresses_of_its_pages_at_its_end() -> None:
    from local.report import Report, render_report

    run: dict[str, Any] = dict.fromkeys(
        ("quality", "requests_spent", "repositories", "requests_per_repository", "scopes_granted", "repositories_read")
    )
    run |= {"run_id": "r", "status": "gate_failed", "repositories_left": None, "full_refresh": False}
    text = render_report(Report(run | {"data_docs": {"staging": "file:///pages/staging.html"}}, [], 0.0))
    assert "page of gate staging: file:///pages/staging.html" in text
    assert "page of" not in render_report(Report(run | {"status": "published", "data_docs": None}, [], 0.0))
