"""Several workspaces side by side: where each stands, what waits in it, and the way into it."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from bitbucket_compliance.security_tests.policies import set_override
from tests.conftest import Database
from tests.console.conftest import Console, OpenConsole
from tests.console.world import Published, identity


@pytest.fixture
def world(database: Database) -> Published:
    """A workspace acme: one failing, one passing, one undecided, a member to review."""
    made = Published(database)
    database.execute(
        "INSERT INTO compliance.tests (test_id, test_title, severity, subject_type, display_order, enabled, manual)"
        " SELECT 'branch_protection_enforced', 'Protected', 'high', 'repository', 1, true, false"
        " WHERE NOT EXISTS (SELECT 1 FROM compliance.tests WHERE test_id = 'branch_protection_enforced')"
    )
    made.repository("payments")
    for slug, status in (("web", "passing"), ("docs", "pending")):
        made.repository(slug, failing=False)
        made.result("branch_protection_enforced", "repository", slug, status)
    made.member("Ann")
    database.execute("UPDATE integration.runs SET finished_at = now(), status = 'published'")
    return made


def second(world: Published) -> None:
    """A workspace beta, whose one repository fails, whose last run failed, and where nobody looks after the policy."""
    world.database.execute(
        "INSERT INTO compliance.results SELECT (jsonb_populate_record(null::compliance.results, to_jsonb(results)"
        ' || \'{"workspace": "beta", "run_id": "b1"}\')).* FROM compliance.results AS results'
        " WHERE subject_id = %s",
        (identity("payments"),),
    )
    for run, status, ago in (("b1", "published", "3 days"), ("b2", "failed", "1 day")):
        world.database.execute(
            "INSERT INTO integration.runs (run_id, workspace, status, policy_version, started_at, finished_at)"
            " VALUES (%s, 'beta', %s, 'p', now() - %s::interval, now() - %s::interval)",
            (run, status, ago, ago),
        )
    weaker = {"thresholds": {"evidence_validity_days": 300}}
    set_override(world.database, "beta", weaker, set_by="os:ada", reason="why")


def rows_of(console: Console) -> list[str]:
    text = console.get("/workspaces").text
    rows = re.findall(r"<tr>\s*<th scope=\"row\">(.*?)</tr>", text, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows]


def test_each_workspace_stands_with_its_numbers_and_what_waits(
    world: Published, open_console: OpenConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    second(world)
    given = {"conn_type": "bitbucket", "login": "k", "password": "s", "extra": {"workspaces": "acme"}}
    monkeypatch.setenv("AIRFLOW_CONN_BITBUCKET_DEFAULT", json.dumps(given))
    viewer = open_console("viewer")
    acme, beta = rows_of(viewer)
    assert re.fullmatch(r"acme 50\.0 1 0 1 20\S+ \S+ UTC bitbucket_default: connected members to review: 1", acme)
    assert re.fullmatch(
        r"beta 0\.0 1 0 0 20\S+ \S+ UTC older than a day the last run failed no connection names it"
        r" policies to decide: 1",
        beta,
    )
    text = viewer.get("/workspaces").text
    assert 'href="./policies?workspace=beta"' in text and 'href="./?workspace=beta"' in text
    assert '<a href="./workspaces" aria-current="page">Workspaces' in text
    assert "beta</option>" in viewer.get("/?workspace=beta").text
    told = list(csv.DictReader(io.StringIO(viewer.get("/workspaces?format=csv").text)))
    assert [(row["workspace"], row["failing"], row["undecided"]) for row in told] == [
        ("acme", "1", "1"), ("beta", "1", "0"),
    ]  # fmt: skip
    assert open_console(None).get("/workspaces").status_code == 401


def test_with_one_workspace_the_page_works_and_is_not_in_the_navigation(
    world: Published, open_console: OpenConsole
) -> None:
    viewer = open_console("viewer")
    assert len(rows_of(viewer)) == 1
    assert ">Workspaces</a>" not in viewer.get("/workspaces").text


def test_where_nothing_was_published_it_says_so(database: Database, open_console: OpenConsole) -> None:
    answer = open_console("viewer").get("/workspaces")
    assert answer.status_code == 200 and "No workspace has published results yet" in answer.text
