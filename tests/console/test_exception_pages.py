"""Exceptions through the pages: asked for, reviewed by somebody else, withdrawn, ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from httpx import Response

from bitbucket_compliance.registry import persons
from tests.conftest import Database
from tests.console.conftest import Console, OpenConsole
from tests.console.world import HOSTILE, WORKSPACE, Published, identity, message, problem

TEST = "branch_protection_enforced"


@pytest.fixture
def world(database: Database) -> Published:
    made = Published(database)
    made.repository("pay")
    made.repository("pay-api")
    persons.note(database, "airflow:olga")
    return made


@pytest.fixture
def ada(open_console: OpenConsole) -> Console:
    return open_console("op", "ada")


@pytest.fixture
def bo(open_console: OpenConsole) -> Console:
    return open_console("op", "bo")


def day(days: int) -> str:
    return (datetime.now(UTC).date() + timedelta(days=days)).isoformat()


def ask(console: Console, **fields: str) -> Response:
    given = {
        "test_id": TEST, "workspace": WORKSPACE, "scope": "subject", "target": "pay", "owner": "airflow:olga",
        "reason": "moving away", "until": day(60), **fields,
    }  # fmt: skip
    return console.submit("/exceptions", given, on="/exceptions/new")


def asked(console: Console, **fields: str) -> str:
    """The path of the exception's page."""
    answer = ask(console, **fields)
    assert answer.status_code == 303, answer.text
    return f"/{answer.headers['location'].removeprefix('../').removeprefix('./')}"


def decide(console: Console, path: str, decision: str, reason: str = "") -> Response:
    return console.submit(f"{path}/decision", {"decision": decision, "reason": reason}, on="/exceptions/new")


def test_an_exception_is_asked_for_accepted_by_somebody_else_and_withdrawn(
    world: Published, ada: Console, bo: Console
) -> None:
    path = asked(ada)
    assert "somebody who neither owns the risk nor asked for it" in message(ada.get(path))
    assert "moving away" in bo.get("/exceptions").text.split('id="expiring"')[0]

    refused = decide(ada, path, "accept")
    assert refused.status_code == 409
    assert "was asked for by ada: ada can't decide" in problem(refused)

    assert decide(bo, path, "accept").status_code == 303
    shown = bo.get(path)
    assert "it covers 1 failing subject, which stay failing" in message(shown)
    assert f"tests/{TEST}/{quote(identity('pay'))}" in shown.text

    assert "the reason is empty" in problem(decide(ada, path, "withdraw"))
    assert decide(ada, path, "withdraw", "fixed instead").status_code == 303
    assert "fixed instead" in ada.get("/exceptions").text
    assert world.audited() == [
        ("airflow:ada", "exception.requested"),
        ("airflow:bo", "exception.accepted"),
        ("airflow:ada", "exception.withdrawn"),
    ]
    [told] = world.rows("SELECT before, after FROM integration.console_audit WHERE action = 'exception.accepted'")
    assert (told["before"]["status"], told["after"]["status"]) == ("requested", "accepted")


def test_the_owner_of_a_risk_does_not_accept_it(world: Published, ada: Console, bo: Console) -> None:
    bo.get("/exceptions")
    path = asked(ada, owner="Bo")
    assert "is owned by bo" in problem(decide(bo, path, "accept"))
    assert world.rows("SELECT 1 FROM registry.exception_decisions") == []


def test_the_reviewer_sees_what_it_would_cover_and_its_owner_no_button(
    world: Published, ada: Console, bo: Console
) -> None:
    world.repository("ledger", "CORE")
    world.repository("green", "CORE", failing=False)
    world.result(TEST, "repository", "green", "passing")
    path = asked(ada, scope="pattern", target="*")
    before = world.rows("SELECT 1 FROM registry.exception_subjects")
    text = bo.get(path).text
    failing = world.rows("SELECT subject_name FROM compliance.results WHERE test_id = %s AND status = 'failing'", TEST)
    assert f"It would cover {len(failing)} of {len(failing)} failing." in text
    listed = text.partition('id="would-cover"')[2]
    assert all(f">{row['subject_name']}</a>" in listed for row in failing) and ">green</a>" not in listed
    assert f'href="../repositories/{quote(identity("ledger"), safe="")}"' in listed
    assert "failing</span>" in listed and '<span class="tag high">high</span>' in listed
    assert 'value="accept"' in text
    assert world.rows("SELECT 1 FROM registry.exception_subjects") == before == []
    own = ada.get(path).text
    assert "Not for you to accept or reject" in own
    assert 'value="accept"' not in own and 'value="reject"' not in own and 'value="withdraw"' in own


def test_asking_for_what_does_not_fail_says_so(world: Published, ada: Console) -> None:
    world.repository("green", "CORE", failing=False)
    world.result(TEST, "repository", "green", "passing")
    text = ada.get(asked(ada, target="green")).text
    assert "failing subjects is in its scope, so there is nothing to accept now" in text


def test_the_owner_of_a_risk_is_chosen_from_those_who_are_known(world: Published, ada: Console, bo: Console) -> None:
    bo.get("/")
    text = ada.get("/exceptions/new").text
    choices = text.partition('<select id="owner"')[2].partition("</select>")[0]
    assert '<option value="airflow:bo">bo<' in choices and '<option value="airflow:ada">ada<' in choices


def test_rejecting_says_why_and_is_final(world: Published, ada: Console, bo: Console) -> None:
    path = asked(ada)
    assert "say why you reject it" in problem(decide(bo, path, "reject"))
    assert decide(bo, path, "reject", "fix it").status_code == 303
    assert "was rejected by bo" in problem(decide(bo, path, "accept"))


def test_what_ends_within_14_days_is_told(world: Published, ada: Console, bo: Console) -> None:
    path = asked(ada, until=day(10))
    decide(bo, path, "accept")
    assert "No accepted exception ends" not in bo.get("/exceptions").text


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"target": "nonsense"}, "judged no 'nonsense'"),
        ({"scope": "planet"}, "say what is to be covered"),
        ({"scope": "project", "target": "X"}, "is in a project 'X'"),
        ({"scope": "pattern", "target": "zzz*"}, "matches no repository"),
        ({"until": day(-2)}, "is past"),
        ({"until": day(800)}, "too far away"),
        ({"until": "9999-12-31"}, "too far away"),
        ({"until": "soon"}, "is no date"),
        ({"until": ""}, "the last day is missing"),
        ({"owner": " "}, "the owner is empty"),
        ({"reason": ""}, "the reason is empty"),
        ({"workspace": HOSTILE}, "has no published results"),
        ({"test_id": HOSTILE}, "is unknown"),
    ],
)
def test_a_request_that_can_not_be_is_refused_and_keeps_what_was_typed(
    world: Published, ada: Console, fields: dict[str, str], reason: str
) -> None:
    answer = ask(ada, **{"reason": "because of <b>it</b>", **fields})
    assert answer.status_code == 422
    assert reason in problem(answer)
    assert HOSTILE not in answer.text
    assert "<b>it" not in answer.text
    if "reason" not in fields:
        assert "because of &lt;b&gt;it&lt;/b&gt;</textarea>" in answer.text
    assert world.rows("SELECT 1 FROM registry.exceptions UNION ALL SELECT 1 FROM integration.console_audit") == []


def test_a_pattern_covers_what_fails_when_it_is_accepted(world: Published, ada: Console, bo: Console) -> None:
    path = asked(ada, scope="pattern", target="pay*")
    decide(bo, path, "accept")
    shown = bo.get(path)
    assert "it covers 2 failing subjects" in message(shown)
    assert "pay-api" in shown.text


def test_the_address_fills_the_form_for_the_subject_of_a_test(world: Published, ada: Console) -> None:
    shown = ada.get("/exceptions/new", params={"test_id": TEST, "subject_id": identity("pay")}).text
    assert f'<option value="{TEST}" selected>' in shown
    assert f'value="{identity("pay")}"' in shown
    assert asked(ada, target=identity("pay"))


def test_hostile_names_are_escaped_on_every_page(world: Published, ada: Console) -> None:
    world.result("offboarded_access_removed", "member", HOSTILE)
    path = asked(ada, test_id="offboarded_access_removed", target=identity(HOSTILE), reason=HOSTILE)
    for page in (path, "/exceptions"):
        shown = ada.get(page).text
        assert HOSTILE not in shown
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown


def test_forms_without_their_token_do_nothing(world: Published, ada: Console) -> None:
    assert ada.post("/exceptions", data={"test_id": TEST}).status_code == 403
    path = asked(ada)
    assert ada.post(f"{path}/decision", data={"decision": "withdraw", "reason": "r"}).status_code == 403
    assert world.rows("SELECT 1 FROM registry.exception_decisions") == []


def test_a_reader_sees_and_decides_nothing(world: Published, ada: Console, open_console: OpenConsole) -> None:
    path = asked(ada)
    viewer, nobody = open_console("viewer", "vic"), open_console(None)
    assert 'name="decision"' not in viewer.get(path).text
    assert "Ask for an exception" not in viewer.get("/exceptions").text
    assert viewer.get("/exceptions/new").status_code == 403
    assert viewer.post(f"{path}/decision", data={"decision": "accept"}).status_code == 403
    for page in ("/exceptions", path, "/exceptions/new"):
        assert nobody.get(page).status_code == 401


def test_an_exception_that_is_not_there_is_told_so(world: Published, ada: Console) -> None:
    assert ada.get("/exceptions/00000000-0000-4000-8000-000000000000").status_code == 404
    assert ada.get("/exceptions/nonsense").status_code == 422
