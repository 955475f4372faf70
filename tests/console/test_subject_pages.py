"""The page of one repository and of one member: verdicts, rules, merges, declarations, history, what covers it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import quote

import pytest

from compliance_console_app.services.bitbucket_links import of_member, of_repository
from compliance_console_app.services.strips import strips
from sandbox.process import SandboxServer
from tests.conftest import Database
from tests.console.conftest import Console, OpenConsole
from tests.console.world import HOSTILE, WORKSPACE, Published
from tests.harness import DEMO, Pipeline


@pytest.fixture
def world(database: Database) -> Published:
    return Published(database)


@pytest.fixture
def vic(open_console: OpenConsole) -> Console:
    return open_console("viewer", "vic")


def told(console: Console, path: str) -> str:
    """The page as words."""
    answer = console.get(path)
    assert answer.status_code == 200, answer.text
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def key(subject_id: str) -> str:
    return quote(subject_id, safe="")


def test_repository_page_tells_every_verdict_with_rules_merges_and_who_declared_it(
    pipeline: Pipeline, sandbox: SandboxServer, vic: Console, database: Database
) -> None:
    pipeline.take_demo()
    pipeline.run(sandbox)
    found = database.execute(
        "SELECT subject_id, subject_name, reason, detail FROM compliance.current_results WHERE workspace = %s"
        " AND test_id = 'peer_review_required' AND jsonb_array_length(detail -> 'merges_that_broke_the_rule') > 0"
        " AND status = 'failing' ORDER BY subject_name LIMIT 1",
        (DEMO,),
    ).fetchone()
    assert found
    page = told(vic, f"/repositories/{key(found['subject_id'])}")
    results = database.execute(
        "SELECT test_title, reason FROM compliance.current_results WHERE subject_id = %s", (found["subject_id"],)
    ).fetchall()
    assert len(results) >= 4
    for result in results:
        assert result["test_title"] in page
        assert " ".join(result["reason"].split()) in page
    [number, *_] = found["detail"]["merges_that_broke_the_rule"]
    assert f"pull request #{number}" in page
    assert "broke the rule" in page
    assert re.search(r"declared for \w+ \S+ by tester .command line.", page)
    raw = vic.get(f"/repositories/{found['subject_name']}").text
    assert f'href="https://bitbucket.org/{DEMO}/{found["subject_name"]}"' in raw
    assert raw.count('class="strip"') >= 4
    assert "style=" not in raw


def test_rules_that_could_not_be_read_are_not_readable(world: Published, vic: Console, database: Database) -> None:
    world.repository("dark")
    database.execute(
        "INSERT INTO compliance.tests SELECT 'branch_protection_enforced', 'Protected', 'high', 'repository', false,"
        " true, 6, 'd' ON CONFLICT DO NOTHING"
    )
    database.execute("UPDATE compliance.results SET detail = %s::jsonb", ('{"rules": null, "missing": null}',))
    rules = told(vic, "/repositories/dark").partition("Rules that matched")[2].partition("Merges")[0]
    assert rules.count("not readable") == 2
    assert "none" not in rules


def test_member_page_tells_the_roster_and_shows_nobodys_employment(
    pipeline: Pipeline, sandbox: SandboxServer, vic: Console, database: Database
) -> None:
    pipeline.take_demo()
    pipeline.run(sandbox)
    [left] = database.execute(
        "SELECT member_id, display_name FROM compliance.access_review WHERE workspace = %s AND review_group = 'left'"
        " ORDER BY display_name LIMIT 1",
        (DEMO,),
    ).fetchall()
    page = told(vic, f"/members/{key(left['member_id'])}")
    assert left["display_name"] in page
    assert "Roster left, still has access" in page
    assert "nobody decided yet" in page
    employment = page.partition("sees status and last day")[0]
    assert "terminated" not in employment
    with_export = database.execute(
        "SELECT subject_id FROM compliance.current_results WHERE test_id = 'user_mfa_enabled' AND status = 'passing'"
        " LIMIT 1"
    ).fetchone()
    assert with_export
    assert "mfa_export.csv" in told(vic, f"/members/{key(with_export['subject_id'])}")


def test_names_in_lists_lead_to_the_pages(world: Published, vic: Console) -> None:
    pay, ann = world.repository("pay"), world.member("Ann")
    assert f"./repositories/{key(pay)}" in vic.get("/repositories").text
    assert f"./members/{key(ann)}" in vic.get("/members").text
    listed = vic.get("/tests/branch_protection_enforced").text
    assert f"../repositories/{key(pay)}" in listed
    assert f"../tests/branch_protection_enforced/{key(pay)}" in listed


def test_what_left_is_told_from_what_never_was(world: Published, vic: Console, database: Database) -> None:
    pay = world.repository("pay")
    database.execute(
        "INSERT INTO compliance.result_history (workspace, test_id, subject_type, subject_id, subject_name, severity,"
        " status, reason_code, reason, detail, facts_hash, policy_version, run_id, valid_from)"
        " SELECT workspace, test_id, subject_type, subject_id, subject_name, severity, 'not_applicable',"
        " 'removed_or_invisible', 'gone', '{}', 'f', 'p', 'run', now() FROM compliance.results"
    )
    for table in ("compliance.results", "compliance.repositories"):
        database.execute(f"DELETE FROM {table}")  # type: ignore[arg-type]  # noqa: S608
    assert "in the inventory no more" in told(vic, f"/repositories/{key(pay)}")
    for path in ("/repositories/never", "/members/never"):
        assert vic.get(path).status_code == 404


def test_hostile_names_are_escaped(world: Published, vic: Console) -> None:
    pay, ann = world.repository(HOSTILE, project=HOSTILE, name=HOSTILE), world.member(HOSTILE)
    for path in (f"/repositories/{key(pay)}", f"/members/{key(ann)}"):
        text = vic.get(path).text
        assert HOSTILE not in text
        assert "&lt;script&gt;" in text


def test_strip_joins_neighbours_and_leaves_gaps_open() -> None:
    day = datetime(2026, 1, 1, tzinfo=UTC)

    def interval(status: str, first: int, last: int | None, code: str = "r") -> dict[str, object]:
        begins, ends = day + timedelta(first), day + timedelta(10 if last is None else last)
        return {
            "test_id": "t", "status": status, "reason_code": code, "begins": begins, "ends": ends,
            "valid_from": begins, "valid_to": None if last is None else ends,
        }  # fmt: skip

    drawn = strips(
        [
            interval("passing", 0, 2),
            interval("passing", 2, 4),
            interval("not_applicable", 4, 6, "removed_or_invisible"),
            interval("failing", 6, None),
        ],
        day,
        day + timedelta(10),
    )["t"]
    assert [(one.status, one.x, one.width) for one in drawn.stretches] == [("passing", 0, 240), ("failing", 360, 240)]
    assert drawn.summary == "passing from 2026-01-01 to 2026-01-05; failing from 2026-01-07 to now"
    assert drawn.stretches[0].height != drawn.stretches[1].height


def test_links_to_bitbucket_name_what_they_lead_to_and_are_quoted() -> None:
    assert of_repository("acme", "a b")["Repository"] == "https://bitbucket.org/acme/a%20b"
    assert of_repository(WORKSPACE, None) == {}
    assert of_member("acme", "{u}")["Account"] == "https://bitbucket.org/%7Bu%7D"
