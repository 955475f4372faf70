"""Members through the pages: the access review, and its export for the auditor."""

from __future__ import annotations

import csv
import io

import psycopg
import pytest
from httpx import Response

from bitbucket_compliance.reporting.exports.formats.csv_table import original
from tests.conftest import Database
from tests.console.conftest import Console, OpenConsole
from tests.console.world import HOSTILE, WORKSPACE, Published, message, problem

FORMULA = "=SUM(1+1) Petra"


@pytest.fixture
def world(database: Database) -> Published:
    return Published(database)


@pytest.fixture
def ada(open_console: OpenConsole) -> Console:
    return open_console("op", "ada")


@pytest.fixture
def bo(open_console: OpenConsole) -> Console:
    return open_console("op", "bo")


def decide(console: Console, decision: str, *ids: str, reason: str = "") -> Response:
    given = {"decision": decision, "member": list(ids), "reason": reason}
    return console.submit("/members/review", given, on="/members")


def exported(console: Console) -> list[dict[str, str]]:
    answer = console.get("/members/review.csv")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith('attachment; filename="access-review-acme-')
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["x-content-type-options"] == "nosniff"
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_access_is_kept_and_revoked_by_name_and_day(world: Published, ada: Console, bo: Console) -> None:
    mia, tom = world.member("Mia", matched_by="email"), world.member("Tom", role="owner", matched_by="account_id")
    decide(ada, "keep", mia, tom)
    assert message(ada.get("/members")) == "Kept: 2 members"
    decide(bo, "revoke", tom, reason="left the team")
    assert "take the access away in Bitbucket" in message(bo.get("/members"))
    rows = {row["display_name"]: row for row in exported(ada)}
    assert (rows["Mia"]["decision"], rows["Mia"]["reviewed_by"]) == ("keep", "airflow:ada")
    assert (rows["Tom"]["decision"], rows["Tom"]["reviewed_by"], rows["Tom"]["reason"]) == (
        "revoke",
        "airflow:bo",
        "left the team",
    )
    assert rows["Tom"]["reviewed_at"].endswith("Z") or "+00:00" in rows["Tom"]["reviewed_at"]
    still = ada.get("/members?review=revoke").text
    assert ("Tom" in still, "Mia" in still) == (True, False)
    assert world.audited() == [
        ("airflow:ada", "access.kept"),
        ("airflow:ada", "access.kept"),
        ("airflow:bo", "access.revoked"),
    ]
    [last] = world.rows("SELECT subject, before, after FROM integration.console_audit ORDER BY audit_id DESC LIMIT 1")
    assert last["subject"] == f"member {WORKSPACE}/Tom"
    assert (last["before"]["decision"], last["after"]["decision"]) == ("keep", "revoke")


def test_whom_the_roster_does_not_name_is_kept_with_a_reason_alone(world: Published, ada: Console) -> None:
    guest = world.member("Guest")
    assert "needs a look" in ada.get("/members?review=needed").text
    refused = decide(ada, "keep", guest)
    assert refused.status_code == 409
    assert "the roster does not name Guest: say why the access is kept" in problem(refused)
    assert world.rows("SELECT 1 FROM registry.access_reviews UNION ALL SELECT 1 FROM integration.console_audit") == []
    assert decide(ada, "keep", guest, reason="contractor until June").status_code == 303
    assert "contractor until June" in ada.get("/members").text


def test_a_decision_is_due_again_when_the_role_changed_since(
    world: Published, database: Database, ada: Console
) -> None:
    mia = world.member("Mia", matched_by="email")
    decide(ada, "keep", mia)
    assert "No member matches" in ada.get("/members?review=due").text
    database.execute("UPDATE compliance.members SET role = 'owner'")
    text = ada.get("/members?review=due").text
    assert "changed since" in text
    assert "then member" in text
    [row] = exported(ada)
    assert (row["role"], row["role_when_reviewed"]) == ("owner", "member")


def test_whoever_was_reviewed_and_left_stays_in_the_export(world: Published, database: Database, ada: Console) -> None:
    tom = world.member("Tom", matched_by="email")
    decide(ada, "revoke", tom)
    database.execute("DELETE FROM compliance.members")
    [row] = exported(ada)
    assert (row["display_name"], row["is_member"], row["decision"]) == ("Tom", "false", "revoke")


def test_no_cell_of_the_export_is_a_formula(world: Published, ada: Console) -> None:
    key = world.member(FORMULA, nickname="@cmd", matched_by="email")
    decide(ada, "keep", key, reason="-2+3")
    [row] = exported(ada)
    assert row["display_name"] == f"'{FORMULA}"
    assert (row["nickname"], row["reason"]) == ("'@cmd", "'-2+3")
    assert original(row["display_name"]) == FORMULA
    assert not [cell for cell in row.values() if cell[:1] in "=+-@\t\r\n" and cell]


def test_hostile_names_are_escaped(world: Published, ada: Console) -> None:
    key = world.member(HOSTILE, nickname='"><img src=x>', matched_by="email")
    decide(ada, "keep", key, reason=HOSTILE)
    for query in ({}, {"search": HOSTILE}, {"role": HOSTILE}, {"review": HOSTILE}):
        text = ada.get("/members", params=query).text
        assert HOSTILE not in text
        assert "<img" not in text


@pytest.mark.parametrize(
    ("decision", "chosen", "reason"),
    [
        ("fire", True, "there is no decision 'fire'"),
        ("", True, "there is no decision ''"),
        ("keep", False, "nobody was named"),
    ],
)
def test_what_can_not_be_decided_is_refused(
    world: Published, ada: Console, decision: str, chosen: bool, reason: str
) -> None:
    mia = world.member("Mia", matched_by="email")
    assert reason in problem(decide(ada, decision, *([mia] if chosen else [])))
    gone = decide(ada, "keep", mia, "{elsewhere}")
    assert "1 of 2 are no members of workspace acme any more" in problem(gone)
    assert world.rows("SELECT 1 FROM registry.access_reviews") == []


def test_three_thousand_members_are_cut_by_the_database(world: Published, database: Database, ada: Console) -> None:
    database.execute(
        "INSERT INTO compliance.members (workspace, member_id, display_name, member_type, role, last_accessed)"
        " SELECT %s, '{' || number || '}', 'member-' || lpad(number::text, 4, '0'), 'user', 'member',"
        " now() - number * interval '1 day' FROM generate_series(1, 3000) AS number",
        (WORKSPACE,),
    )
    text = ada.get("/members?sort=last_accessed").text
    assert "1–50 of 3000" in text
    assert ("member-3000" in text, "member-0001" in text) == (True, False)
    assert len(exported(ada)) == 3000


def test_reviews_are_added_and_never_changed(world: Published, database: Database, ada: Console) -> None:
    decide(ada, "keep", world.member("Mia", matched_by="email"))
    for statement in (
        "UPDATE registry.access_reviews SET decision = 'revoke'",
        "DELETE FROM registry.access_reviews",
        "TRUNCATE registry.access_reviews",
    ):
        with pytest.raises(psycopg.Error):
            database.execute(statement)  # type: ignore[arg-type]


def test_forms_without_their_token_and_readers_decide_nothing(
    world: Published, ada: Console, open_console: OpenConsole
) -> None:
    mia = world.member("Mia", matched_by="email")
    fields = {"decision": "keep", "member": [mia]}
    assert ada.post("/members/review", data=fields).status_code == 403
    viewer, nobody = open_console("viewer", "vic"), open_console(None)
    assert "Mia" in viewer.get("/members").text
    assert 'name="decision"' not in viewer.get("/members").text
    assert viewer.get("/members/review.csv").status_code == 403
    assert viewer.submit("/members/review", fields, on="/members").status_code == 403
    for path in ("/members", "/members/review.csv"):
        assert nobody.get(path).status_code == 401
    assert world.rows("SELECT 1 FROM registry.access_reviews") == []
