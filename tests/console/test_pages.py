"""Overview, Tests, Runs: what stands on them, escaped, page by page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import pytest

from bitbucket_compliance.security_tests import CATALOGUE
from compliance_console_app.database import SQL
from compliance_console_app.services.remedies import filled_in
from compliance_console_app.services.trend import chart
from compliance_console_app.web.pages import address, ago, day, moment
from sandbox.process import SandboxServer
from tests.conftest import Database
from tests.console.conftest import OpenConsole
from tests.harness import DEMO, Pipeline

HOSTILE = '<script>alert("x")</script>'


@pytest.fixture
def published(pipeline: Pipeline, sandbox: SandboxServer) -> str:
    """The demo workspace, judged and published once; returns the run."""
    pipeline.take_demo()
    return pipeline.run(sandbox)


def subject_of(database: Database, test_id: str, status: str = "failing") -> dict[str, str]:
    found = database.execute(
        "SELECT subject_id, subject_name FROM compliance.current_results"
        " WHERE test_id = %s AND status = %s ORDER BY subject_name LIMIT 1",
        (test_id, status),
    ).fetchone()
    assert found
    return found


def test_pages_without_any_publication(open_console: OpenConsole) -> None:
    console = open_console("viewer")
    for path in ("/", "/tests", "/tests/peer_review_required", "/runs"):
        answer = console.get(path)
        # The catalogue comes with the first publication.
        assert answer.status_code in (200, 404), path
    assert "Nothing has been published yet" in console.get("/").text


@pytest.mark.usefixtures("published")
def test_the_trend_of_the_overview_counts_what_began_and_what_ended(
    pipeline: Pipeline, sandbox: SandboxServer, database: Database, tmp_path: Path
) -> None:
    declared = tmp_path / "classification.csv"
    declared.write_text(
        "target_type,target,classification,sensitivity,owner\nrepository,mystery-box,non_production,internal,\n"
    )
    pipeline.take("classification", declared)
    pipeline.run(sandbox)
    trend = (SQL / "overview/trend.sql").read_bytes()
    shown = database.execute(trend, {"workspace": DEMO, "days": 30}).fetchall()
    expected = database.execute(
        "SELECT day, test_id, test_title, passing, failing, weighted_passing, weighted_decided"
        " FROM compliance.daily_trend WHERE workspace = %s ORDER BY day, test_id",
        (DEMO,),
    ).fetchall()
    assert shown == expected
    [ended] = database.execute("SELECT count(*) AS intervals FROM compliance.result_history WHERE valid_to <= now()")
    assert ended["intervals"]


def test_pages_tell_what_was_published(open_console: OpenConsole, published: str, database: Database) -> None:
    console = open_console("viewer")
    overview = console.get("/").text
    summary = database.execute("SELECT * FROM compliance.test_summary WHERE workspace = %s", (DEMO,)).fetchall()
    assert len(summary) == len(CATALOGUE)
    for test in summary:
        assert test["test_title"] in overview
    score = database.execute("SELECT * FROM compliance.workspace_score WHERE workspace = %s", (DEMO,)).fetchone()
    assert score
    tiles = [re.sub(r"<[^>]+>", "", tile).split()[0] for tile in re.findall(r'<li class="tile">(.*?)</li>', overview)]
    assert tiles == [
        f"{score['score']:.1f}",
        *(str(score[name]) for name in ("failing", "passing", "overdue")),
        str(score["pending"] + score["error"]),
    ]
    undecided = database.execute("SELECT * FROM compliance.undecided WHERE workspace = %s", (DEMO,)).fetchall()
    assert undecided
    for entry in undecided:
        assert f"words={entry['reason_code']}" in overview
    assert f"runs/{published}" in overview
    assert "style=" not in overview
    assert re.findall("<script[^>]*>", overview) == ['<script src="./static/console.js">']

    listed = console.get("/tests/peer_review_required", params={"status": "failing"}).text
    subject = subject_of(database, "peer_review_required")
    [by] = database.execute("SELECT * FROM compliance.decided_by WHERE test_id = 'peer_review_required'").fetchall()
    assert f"Decided by: {by['summary']}." in listed
    link = f"../tests/peer_review_required/{quote(subject['subject_id'], safe='')}"
    assert link in listed.replace("&#34;", '"')
    told = console.get(f"/tests/peer_review_required/{quote(subject['subject_id'], safe='')}").text
    for heading in ("What mends it", "Facts", "History"):
        assert f">{heading}</h2>" in told
    assert f"/repositories/{DEMO}/" in told, "the call that would mend it names the repository"


def test_mfa_tests_show_the_four_steps(open_console: OpenConsole, published: str) -> None:
    console = open_console("op")
    for test_id in ("user_mfa_enabled", "workspace_mfa_enforced"):
        told = console.get(f"/tests/{test_id}").text
        steps = told[told.index('<ol class="steps">') : told.index("</ol>")]
        assert steps.count("<li>") == 4
        assert "admin.atlassian.com" in steps
        assert f"../evidence/new?test_id={test_id}" in told


def test_filters_and_order(open_console: OpenConsole, published: str, database: Database) -> None:
    console = open_console("viewer")
    found = subject_of(database, "peer_review_required")
    only = console.get("/tests/peer_review_required", params={"words": found["subject_name"].upper()}).text
    assert found["subject_name"] in only
    assert "No subject matches." in console.get("/tests/peer_review_required", params={"words": "%"}).text
    assert console.get("/tests/peer_review_required", params={"sort": "name; DROP"}).status_code == 422
    assert console.get("/tests/peer_review_required", params={"status": "fine"}).status_code == 422
    assert console.get("/tests/peer_review_required", params={"words": "a\0b"}).status_code == 422
    for sort in ("status", "name", "due", "since"):
        assert console.get("/tests/peer_review_required", params={"sort": sort}).status_code == 200


def test_unknown_test_subject_and_run(open_console: OpenConsole, published: str) -> None:
    console = open_console("viewer")
    for path in ("/tests/none", "/tests/peer_review_required/none", "/runs/none", f"/runs/{published}/quality/none"):
        assert console.get(path).status_code == 404, path


def test_every_subject_stands_on_exactly_one_page(
    open_console: OpenConsole, published: str, database: Database
) -> None:
    database.execute(
        """
        INSERT INTO compliance.results
        SELECT (jsonb_populate_record(
            results, jsonb_build_object('subject_id', '{' || number || '}', 'subject_name', 'repo-' || number)
        )).*
        FROM compliance.results AS results
        CROSS JOIN generate_series(1, 200) AS number
        WHERE results.test_id = 'repo_classified' AND results.subject_name = 'mystery-box'
        """
    )
    expected = database.execute(
        "SELECT count(*) AS subjects FROM compliance.current_results WHERE test_id = 'repo_classified'"
    ).fetchone()
    assert expected
    assert expected["subjects"] == 240
    console = open_console("viewer")
    seen: list[str] = []
    path: str | None = "/tests/repo_classified?sort=name"
    pages = 0
    while path:
        text = console.get(path).text
        found = re.findall(r'<th scope="row"><a href="\.\./repositories/([^"]+)"', text)
        assert 0 < len(found) <= 50
        seen += found
        pages += 1
        following = re.search(r'<a [^>]*href="\.\./(tests/[^"]+)"[^>]*>Next page', text)
        path = "/" + following[1].replace("&amp;", "&") if following else None
    assert (pages, len(seen), len(set(seen))) == (5, 240, 240)


def test_what_could_not_be_read_is_not_readable_and_never_none(
    open_console: OpenConsole, published: str, database: Database
) -> None:
    """Only what was read and is empty is none; where there is no pull request, nothing was unreadable."""
    database.execute(
        "UPDATE compliance.results SET detail = %s::jsonb WHERE test_id = 'branch_protection_enforced'",
        ('{"rules": null, "missing": null, "exempt_users": [], "pull_request": null}',),
    )
    subject = subject_of(database, "branch_protection_enforced")
    text = open_console("viewer").get(f"/tests/branch_protection_enforced/{quote(subject['subject_id'], safe='')}").text
    told = [" ".join(re.sub(r"<[^>]+>", " ", fact).split()) for fact in text.partition("<h2 id=")[0].split("<dt>")[1:]]
    words = ("rules", "missing", "exempt", "pull")
    assert sorted(fact for fact in told if fact.partition(" ")[0] in words) == [
        "exempt users none", "missing not readable", "pull request not known", "rules not readable",
    ]  # fmt: skip


def test_hostile_names_are_escaped_everywhere(open_console: OpenConsole, published: str, database: Database) -> None:
    database.execute(
        "UPDATE compliance.results SET subject_name = %(name)s, reason = %(name)s, remediation = %(name)s,"
        " detail = jsonb_build_object(%(name)s::text, %(name)s::text)",
        {"name": HOSTILE},
    )
    database.execute(
        "UPDATE integration.runs SET error = %s, coverage = %s::jsonb",
        (HOSTILE, '{"<script>alert(1)": {"<script>": 1}}'),
    )
    console = open_console("viewer", HOSTILE)
    subject = subject_of(database, "peer_review_required")
    for path in (
        "/",
        "/tests",
        "/tests/peer_review_required",
        f"/tests/peer_review_required?words={quote(HOSTILE)}",
        f"/tests/peer_review_required/{quote(subject['subject_id'], safe='')}",
        "/runs",
        f"/runs/{published}",
    ):
        answer = console.get(path)
        assert answer.status_code == 200, path
        assert re.sub(r'<script src="[./]+static/console.js">', "", answer.text).count("<script") == 0, path
        assert "&lt;script&gt;" in answer.text, path


def test_changes_of_the_newest_publication(
    open_console: OpenConsole, pipeline: Pipeline, sandbox: SandboxServer, published: str, tmp_path: Path
) -> None:
    console = open_console("viewer")
    assert "This is the first one." in console.get("/").text
    classification = tmp_path / "classification.csv"
    classification.write_text(
        "target_type,target,classification,sensitivity,owner\nrepository,mystery-box,non_production,internal,\n"
    )
    pipeline.take("classification", classification)
    pipeline.run(sandbox)
    changes = console.get("/").text.split('id="changes"')[1].split("<h2")[0]
    assert re.search(r'<a href="\./repositories/[^"]+">mystery-box<', changes)
    assert '<span class="status failing">' in changes


def test_gate_page_comes_from_its_folder_alone(
    open_console: OpenConsole,
    published: str,
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base = tmp_path / "docs"
    inside, outside = base / DEMO / published / "staging.html", tmp_path / "outside.html"
    inside.parent.mkdir(parents=True)
    inside.write_text("<p>a gate</p>")
    outside.write_text("<p>not yours</p>")
    (base / "link.html").symlink_to(outside)
    monkeypatch.setenv("COMPLIANCE_DATA_DOCS_URL", base.as_uri())
    keep: Callable[[str], object] = lambda target: database.execute(  # noqa: E731
        "UPDATE integration.runs SET data_docs = jsonb_build_object('staging', %s::text)", (target,)
    )
    console = open_console("viewer")

    keep(f"file://{inside}")
    answer = console.get(f"/runs/{published}/quality/staging")
    assert answer.text == "<p>a gate</p>"
    assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")

    for target in (
        f"file://{outside}",
        f"file://{base}/../outside.html",
        f"file://{base}/link.html",
        "file:///etc/passwd",
        "s3://bucket/staging.html",
        "http://127.0.0.1/staging.html",
    ):
        keep(target)
        assert console.get(f"/runs/{published}/quality/staging").status_code == 404, target
        assert target in console.get(f"/runs/{published}").text


@pytest.mark.parametrize(
    "path", ["/etc", "//host", "a//b", "../x", "tests/../../x", "https:x", "\\\\host", "javascript:x"]
)
def test_links_lead_nowhere_else(path: str) -> None:
    request = SimpleNamespace(scope={"path": "/compliance/tests/x", "root_path": "/compliance"})
    with pytest.raises(ValueError, match="not a page of the console"):
        address(request, path)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("at", "link"),
    [("/compliance/", "./tests"), ("/compliance/tests", "./tests"), ("/compliance/tests/a/b", "../../tests")],
)
def test_links_are_relative(at: str, link: str) -> None:
    request = SimpleNamespace(scope={"path": at, "root_path": "/compliance"})
    assert address(request, "tests") == link  # type: ignore[arg-type]


def test_chart_leaves_days_without_a_score_open() -> None:
    from datetime import date, timedelta

    days = [
        {"day": date(2026, 1, 1) + timedelta(days=number), "score": score, "failing": 3}
        for number, score in enumerate((50.0, 60.0, None, 70.0, 80.0))
    ]
    drawn = chart(days)
    assert drawn
    assert len(drawn.lines) == 2
    assert len(drawn.points) == 4
    assert drawn.summary == "Score from 50.0 on 2026-01-01 to 80.0 on 2026-01-05"
    assert chart([{**days[0], "score": None}]) is None
    assert chart([]) is None


def test_calls_are_filled_in_and_quoted() -> None:
    body = {"kind": "push", "pattern": "{main_branch}", "value": "{min_approvals}"}
    calls = [{"method": "POST", "path": "/repositories/{workspace}/{repo_slug}/x", "body": body}]
    names = {"workspace": "a b", "repo_slug": "r/s", "main_branch": "trunk", "min_approvals": 2}
    (call,) = filled_in(calls, names)
    assert call.path == "/repositories/a%20b/r%2Fs/x"
    assert json.loads(call.body) == {"kind": "push", "pattern": "trunk", "value": 2}
    assert filled_in(calls, {"workspace": "acme", "repo_slug": None})[0].path == "/repositories/acme/{repo_slug}/x"
    assert filled_in(None, names) == []


def test_moments_of_nothing() -> None:
    assert (moment(None), day(None), ago(None)) == ("–", "–", "–")
