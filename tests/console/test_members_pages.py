"""Members through the pages: the access review, and its export for the auditor."""

from __future__ import annotations

import csv
import io
from html import unescape

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
    assert "Guest" in ada.get("/members?roster=not_on_roster").text
    refused = decide(ada, "keep", guest)
    assert refused.status_code == 409
    assert "Guest is not on the roster: say why the access is kept" in problem(refused)
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


def leaver(world: Published, name: str, end_date: str = "2026-01-31") -> str:
    """A member whom the roster says to have left, with the verdict on it and on two-step verification."""
    key = world.member(name, matched_by="email")
    employed(world, key, "terminated", end_date)
    world.result("offboarded_access_removed", "member", name)
    world.result("user_mfa_enabled", "member", name, "passing")
    return key


def employed(world: Published, member_id: str, status: str, end_date: str | None = None) -> None:
    world.database.execute("DELETE FROM compliance.member_employment WHERE member_id = %s", (member_id,))
    world._put(
        "compliance.member_employment", workspace=WORKSPACE, member_id=member_id, hr_status=status, hr_end_date=end_date
    )


def test_who_has_left_stands_first_with_what_the_roster_says_and_the_verdicts(
    world: Published, ada: Console, open_console: OpenConsole
) -> None:
    world.member("Ann", matched_by="account_id")
    world.member("Bo", matched_by="name")
    world.member("Guest")
    leaver(world, "Zoe")
    text = ada.get("/members").text
    places = [text.index(f">{name}<") for name in ("Zoe", "Guest", "Bo", "Ann")]
    assert places == sorted(places)
    of_zoe = text[places[0] : places[1]]
    assert "left, still has access" in of_zoe
    assert '<span class="status passing">' in of_zoe
    assert "on the roster by name only" in text and "0 of 4 members reviewed" in text
    assert ("Zoe" in ada.get("/members?roster=left").text, "Ann" in ada.get("/members?roster=left").text) == (
        True,
        False,
    )
    assert "terminated" not in text and "2026-01-31" not in text, "status and last day are for the people reader alone"
    assert "left, still has access" in open_console("viewer", "vic").get("/members").text
    rows = {row["display_name"]: row for row in exported(ada)}
    assert (rows["Zoe"]["review_group"], rows["Zoe"]["needs_review"]) == ("left", "true")
    assert (rows["Zoe"]["offboarding_status"], rows["Zoe"]["two_step_verification"]) == ("failing", "passing")
    assert rows["Ann"]["needs_review"] == "false"


def test_the_access_of_a_leaver_is_kept_with_a_reason_alone(world: Published, ada: Console) -> None:
    zoe, ann = leaver(world, "Zoe"), world.member("Ann", matched_by="email")
    refused = decide(ada, "keep", zoe, ann)
    assert "Zoe has left by the roster: say why the access is kept" in problem(refused)
    assert world.rows("SELECT 1 FROM registry.access_reviews") == []
    assert decide(ada, "keep", zoe, ann, reason="hands over until Friday").status_code == 303
    kept = world.rows("SELECT hr_status, review_group FROM registry.access_reviews ORDER BY display_name")
    assert [(row["hr_status"], row["review_group"]) for row in kept] == [(None, "fine"), ("terminated", "left")]


@pytest.mark.parametrize("change", ["leaves", "returns", "another day", "another match"])
def test_a_decision_is_due_again_when_what_the_roster_says_changed(
    world: Published, database: Database, ada: Console, change: str
) -> None:
    mia = world.member("Mia", matched_by="email")
    employed(
        world, mia, "terminated" if change == "returns" else "active", "2026-01-31" if change == "returns" else None
    )
    decide(ada, "keep", mia, reason="looked at")
    assert "1 of 1 members reviewed" in ada.get("/members").text
    if change == "another match":
        database.execute("UPDATE compliance.members SET matched_by = 'account_id'")
    else:
        status = "terminated" if change == "leaves" else "active"
        employed(world, mia, status, {"leaves": "2026-01-31", "another day": "2999-12-31"}.get(change))
    text = ada.get("/members?review=due").text
    assert "0 of 1 members reviewed; 1 due again" in text
    assert ("how the roster names them" if change == "another match" else "what the roster says") in text
    [row] = exported(ada)
    assert (row["review_state"], row["changed_since"]) == (
        "changed", "match" if change == "another match" else "employment",
    )  # fmt: skip


def test_a_review_is_signed_off_when_a_decision_stands_on_every_member(world: Published, ada: Console) -> None:
    mia, zoe = world.member("Mia", matched_by="email"), leaver(world, "Zoe")
    decide(ada, "keep", mia)
    text = ada.get("/members").text
    assert "The review was not signed off yet" in text and "Sign off" not in text
    refused = ada.submit("/members/sign-off", {"note": ""}, on="/members")
    assert refused.status_code == 409
    assert "is not done: decide first on those who are new" in problem(refused)
    decide(ada, "revoke", zoe)
    assert ada.submit("/members/sign-off", {"note": "with the team leads"}, on="/members").status_code == 303
    text = ada.get("/members").text
    assert "Signed off: 2 members, 1 kept, 1 to be revoked" in unescape(text)
    assert "Signed off by ada" in text and "with the team leads" in text
    world.member("Newcomer")
    assert "Since then 1 is due." in ada.get("/members").text
    assert world.audited()[-1] == ("airflow:ada", "access.signed_off")
    [row] = world.rows("SELECT members, kept, revoked FROM registry.access_review_sign_offs")
    assert (row["members"], row["kept"], row["revoked"]) == (2, 1, 1)


def test_the_whole_review_is_printed_by_group(world: Published, ada: Console, open_console: OpenConsole) -> None:
    for number in range(60):
        world.member(f"Member {number:02}", matched_by="email")
    leaver(world, "Zoe")
    text = ada.get("/members/print").text
    assert "Left, still has access: 1" in text and "On the roster: 60" in text
    assert text.index("Zoe") < text.index("Member 00") < text.index("Member 59")
    assert "Access review of acme" in text
    viewer = open_console("viewer", "vic")
    assert viewer.get("/members/print").status_code == 403
    assert "members/print" not in viewer.get("/members").text


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
    assert "1–50 of 3,000" in text
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
