"""Pages as of a past day: what had been published by its end, with a way back to now, and nothing to press."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import quote

import psycopg
import pytest

from local.postgres import EmbeddedPostgres
from local.postgres_cluster import ADMIN_ROLE
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.ageing import age_database
from tests.conftest import Database
from tests.console.conftest import Console, OpenConsole
from tests.harness import Pipeline
from tests.pipeline.small import ACME, small_state, whole_run

TODAY = datetime.now(UTC).date()
THEN, BEFORE = str(TODAY - timedelta(days=3)), str(TODAY - timedelta(days=30))
PROTECTION = "branch_protection_enforced"
#: Every page that knows the past, with a subject in braces where it has one.
PAGES = (
    "/", "/findings", "/tests", f"/tests/{PROTECTION}", f"/tests/{PROTECTION}/{{}}", "/repositories",
    "/repositories/{}", "/repositories/repo-1", "/members", "/controls",
)  # fmt: skip


def told(console: Console, path: str, **query: str) -> str:
    """The page as words."""
    answer = console.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


class History:
    """Ten days ago everything passed; today a rule is gone, a repository and a member left."""

    def __init__(self, pipeline: Pipeline, server: SandboxServer, admin: str) -> None:
        self.admin = admin
        whole_run(pipeline, server)
        age_database(admin, timedelta(days=10))
        workspace = server.state.workspaces[0]
        workspace.repositories[1].restrictions = []
        self.subject = workspace.repositories[1].uuid
        self.gone = workspace.repositories.pop().slug
        self.member = workspace.members.pop().account
        whole_run(pipeline, server)


@pytest.fixture
def history(
    pipeline: Pipeline,
    serve: Callable[[SandboxState], SandboxServer],
    postgres: EmbeddedPostgres,
    dsn: str,
) -> History:
    return History(pipeline, serve(small_state(3)), postgres.uri(dsn.rsplit("/", 1)[1].split("?")[0], ADMIN_ROLE))


@pytest.fixture
def ann(open_console: OpenConsole) -> Console:
    return open_console("user", "ann")


def test_a_page_as_of_a_past_day_shows_what_was_published_then_and_nothing_to_press(
    history: History, ann: Console
) -> None:
    subject = quote(history.subject, safe="")
    one = f"/tests/{PROTECTION}/{subject}"
    assert "repo-1" in told(ann, "/findings", test_id=PROTECTION)
    assert "repo-1" not in told(ann, "/findings", test_id=PROTECTION, as_of=THEN)
    for page in PAGES:
        answer = ann.get(page.format(subject), params={"as_of": THEN})
        assert answer.status_code == 200, (page, answer.text)
        assert f"As of {THEN}" in answer.text and "Back to now" in answer.text, page
        assert 'method="post"' not in answer.text, page
        assert 'role="region" aria-label="State of the data"' not in answer.text, page
    assert "passing" in told(ann, one, as_of=THEN) and "failing" in told(ann, one)
    assert history.gone in told(ann, "/repositories", as_of=THEN)
    assert history.gone not in told(ann, "/repositories")
    assert history.gone not in told(ann, "/repositories", as_of=THEN, search="repo-1")
    assert history.member.display_name in told(ann, "/members", as_of=THEN)
    assert history.member.display_name not in told(ann, "/members")
    assert history.member.display_name in told(ann, f"/members/{quote(history.member.uuid, safe='')}", as_of=THEN)
    # The counts are those of the results of that day, and links stay on it.
    overview = ann.get("/", params={"as_of": THEN}).text
    assert f"tests/{PROTECTION}?as_of={THEN}" in overview and f"findings?as_of={THEN}" in overview
    listed = ann.get(f"/tests/{PROTECTION}", params={"as_of": THEN, "format": "csv"})
    assert {(row["subject_name"], row["status"]) for row in csv.DictReader(io.StringIO(listed.text))} == {
        (f"repo-{number}", "passing") for number in range(3)
    }
    now = csv.DictReader(io.StringIO(ann.get(f"/tests/{PROTECTION}", params={"format": "csv"}).text))
    assert {(row["subject_name"], row["status"]) for row in now} == {("repo-0", "passing"), ("repo-1", "failing")}


def test_a_day_before_the_first_run_says_so(history: History, ann: Console) -> None:
    for page in ("/", "/findings", "/tests", f"/tests/{PROTECTION}", "/repositories", "/members", "/controls"):
        assert f"Nothing had been published of this workspace by the end of {BEFORE}" in told(ann, page, as_of=BEFORE)
    assert ann.get("/repositories/repo-1", params={"as_of": BEFORE}).status_code == 404


def test_a_page_that_knows_no_past_says_so_and_so_does_a_day_that_is_not_over(history: History, ann: Console) -> None:
    for page in ("/evidence", "/exceptions", "/runs", "/controls/packages", "/members/print", "/controls.csv"):
        answer = ann.get(page, params={"as_of": THEN})
        assert answer.status_code == 404 and "shown as of a past day" in unescape(answer.text), page
    for wrong in (str(TODAY), str(TODAY + timedelta(days=1)), "31.3.2026"):
        assert ann.get("/", params={"as_of": wrong}).status_code == 422, wrong


@pytest.mark.parametrize("name", ['x"; filename="y.html', "x\r\nSet-Cookie: a=b", "\N{EURO SIGN}", "..", "..?", "x"])
def test_what_nobody_ever_called_a_test_or_a_repository_is_no_page_and_no_file(
    open_console: OpenConsole, database: Database, name: str
) -> None:
    console = open_console("viewer")
    for path in ("tests", "repositories", "members"):
        for form in ("", "csv"):
            answer = console.get(f"/{path}/{quote(name).replace('.', '%2E')}", params={"as_of": THEN, "format": form})
            assert answer.status_code == 404, (path, form)
            assert "content-disposition" not in answer.headers and "set-cookie: a=b" not in answer.headers


def test_bypasses_of_a_control_are_those_of_the_period(ann: Console, database: Database, history: History) -> None:
    """A merge without a review twenty days ago, and one yesterday, while a rule was in force."""
    for number, days in ((71, 20), (72, 1)):
        database.execute(
            "INSERT INTO compliance.changes (workspace, repository_id, kind, change_key, repository, pull_request_id,"
            " merged_on, peer_reviewed, forced, removed, policy_version, first_run_id, recorded_at)"
            " VALUES (%s, %s, 'pull_request', %s, 'repo-1', %s, now() - make_interval(days => %s), false, false, false,"
            " 'p', 'r', now())",
            (ACME, history.subject, str(number), number, days),
        )
    with psycopg.connect(history.admin) as connection:
        # History is never changed otherwise.
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE compliance.result_history SET bypassed = 2, reason = 'two merges went past it',"
            " detail = detail || jsonb_build_object('in_force_since', now() - interval '90 days')"
            " WHERE test_id = 'peer_review_required' AND subject_id = %s AND valid_to IS null",
            (history.subject,),
        )
    control = {"framework": "SOC 2", "control": "CC8.1"}

    def bypasses(**period: str) -> str:
        text = told(ann, "/controls/one", **control, **period)
        begins = text.index("Rules that merges of the period went around")
        return text[begins : text.index("Evidence", begins)]

    recent = bypasses(since=str(TODAY - timedelta(days=5)), until=str(TODAY))
    assert "two merges went past it" in recent and " 1 " in recent
    assert "None is known" in bypasses(since=str(TODAY - timedelta(days=15)), until=str(TODAY - timedelta(days=5)))
    assert " 2 " in bypasses(since=str(TODAY - timedelta(days=30)), until=str(TODAY))
