"""The policy page: thresholds in plain words, changed with a preview and a second person; any policy by its hash."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from httpx import Response
from psycopg.types.json import Jsonb

from bitbucket_compliance.policy.overrides import keep_version
from bitbucket_compliance.security_tests.policies import DELIVERED, keys, policy_of
from tests.conftest import Database
from tests.console.conftest import Console, OpenConsole
from tests.console.world import HOSTILE, WORKSPACE, Published, message, problem

CHANGE = "/policies/change"


@pytest.fixture
def world(database: Database) -> Published:
    made = Published(database)
    made.repository("one")
    return made


def fields(console: Console) -> dict[str, str]:
    """What the form holds before anybody typed."""
    text = console.get(CHANGE).text
    found = dict(re.findall(r'<input id="[^"]+" name="([a-z][^"]*\.[^"]*)" value="([^"]*)"', text))
    found |= dict(re.findall(r'<textarea id="[^"]+" name="([a-z][^"]*\.[^"]*)"[^>]*>([^<]*)</textarea>', text))
    for name, options in re.findall(r'<select id="[^"]+" name="([^"]+\.[^"]+)"[^>]*>(.*?)</select>', text, re.DOTALL):
        found[name] = re.findall(r'value="([^"]*)" selected', options)[0]
    return {name: unescape(value) for name, value in found.items()}


def previewed(console: Console, reason: str = "why", **typed: str) -> Response:
    """The preview of the form with some fields typed; dots of keys as double underscores."""
    asked = fields(console) | {name.replace("__", "."): value for name, value in typed.items()}
    return console.submit("/policies/preview", {**asked, "reason": reason}, on=CHANGE)


def confirmed(console: Console, shown: Response) -> Response:
    """The button of a preview."""
    assert shown.status_code == 200, problem(shown)
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', shown.text))
    carried = {name: unescape(value) for name, value in hidden.items()}
    return console.post("/policies", data=carried, follow_redirects=False)


def rows_of(text: str) -> list[str]:
    """The rows of a page's tables as text."""
    plain = (" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in re.findall(r"<tr>(.*?)</tr>", text, re.DOTALL))
    return [unescape(row) for row in plain]


def set_by(world: Published, body: Any, reason: str = "by hand") -> None:
    world.database.execute(
        "INSERT INTO registry.policy_overrides (workspace, body, set_by, reason) VALUES (%s, %s, 'os:ada', %s)",
        (WORKSPACE, Jsonb(body), reason),
    )


def test_every_key_stands_in_plain_words_with_what_is_in_force_and_since_when(
    world: Published, open_console: OpenConsole
) -> None:
    set_by(world, {"thresholds": {"min_approvals": 2}}, "two pairs of eyes")
    set_by(world, {"thresholds": {"min_approvals": 2, "due_days_high": 10}}, HOSTILE)
    text = open_console("viewer").get("/policies").text
    assert all(f"<code>{key.name}</code>" in text for key in keys())
    (approvals,) = (row for row in rows_of(text) if "thresholds.min_approvals" in row)
    assert re.search(
        r"^Min approvals Number of peers who must approve .* 2 1 20\S+ \S+ UTC ada .command line. two pairs", approvals
    )
    (builds,) = (row for row in rows_of(text) if "thresholds.min_passing_builds" in row)
    assert builds.endswith("1 1 as delivered – –")
    assert HOSTILE not in text and "make policy" not in text
    assert CHANGE.removeprefix("/") not in text
    assert CHANGE.removeprefix("/") in open_console("op").get("/policies").text


def test_a_change_is_shown_before_anything_is_written_and_in_force_when_it_asks_for_more(
    world: Published, open_console: OpenConsole
) -> None:
    ada = open_console("op", "ada")
    shown = previewed(ada, "two pairs of eyes", thresholds__min_approvals="2", tests__pipelines_enabled__enabled="true")
    told = rows_of(shown.text)
    assert any(row.startswith("Min approvals") and row.endswith("1 2 asks for as much or more") for row in told)
    assert any(row.startswith("Switched on") and row.endswith("off on asks for as much or more") for row in told)
    assert len(told) == 3
    assert "in force from the next run on" in shown.text
    assert world.rows("SELECT 1 FROM registry.policy_overrides") == []

    answer = confirmed(ada, shown)
    assert answer.status_code == 303
    assert "in force from the next run on" in message(ada.get("/policies"))
    policy = policy_of(world.database, WORKSPACE)
    assert policy.thresholds["min_approvals"] == 2 and policy.enabled("pipelines_enabled")
    (kept,) = world.rows("SELECT body, set_by, reason FROM registry.policy_overrides")
    assert kept["body"] == {"thresholds": {"min_approvals": 2}, "tests": {"pipelines_enabled": {"enabled": True}}}
    assert (kept["set_by"], kept["reason"]) == ("airflow:ada", "two pairs of eyes")
    assert world.audited() == [("airflow:ada", "policy.set")]


def test_a_change_that_asks_for_less_waits_for_a_second_person(world: Published, open_console: OpenConsole) -> None:
    set_by(world, {"thresholds": {"min_approvals": 2, "due_days_high": 10}})
    ada, bob = open_console("op", "ada"), open_console("op", "bob")
    shown = previewed(ada, thresholds__min_approvals="1")
    assert any(row.endswith("2 1 asks for less") for row in rows_of(shown.text))
    assert "waits for a second person" in shown.text
    assert confirmed(ada, shown).status_code == 303
    assert "somebody else has to accept it" in message(ada.get("/policies"))
    assert policy_of(world.database, WORKSPACE).thresholds["min_approvals"] == 2
    (proposed,) = world.rows("SELECT override_id, body FROM registry.policy_states WHERE status = 'proposed'")
    # What was set before and is not changed stays; what is as delivered again is not set any more.
    assert proposed["body"] == {"thresholds": {"due_days_high": 10}}
    path = f"/policies/{proposed['override_id']}"
    own, others = ada.get("/policies").text, bob.get("/policies").text
    assert "Not for you to accept or reject" in own and 'value="accept"' not in own and 'value="withdraw"' in own
    assert 'value="accept"' in others
    review = " ".join(re.sub(r"<[^>]+>", "", others).split())
    assert "Min approvals: 2 → 1 asks for less thresholds.min_approvals Why" in review
    assert ada.submit(f"{path}/decision", {"decision": "accept"}, on="/policies").status_code == 409
    assert bob.submit(f"{path}/decision", {"decision": "accept"}, on="/policies").status_code == 303
    assert policy_of(world.database, WORKSPACE).thresholds["min_approvals"] == 1
    (row,) = (row for row in rows_of(bob.get("/policies").text) if "thresholds.min_approvals" in row)
    assert "ada, accepted by bob again as delivered why" in row
    assert "Decided by bob" in " ".join(re.sub(r"<[^>]+>", " ", bob.get(path).text).split())


@pytest.mark.parametrize(
    ("name", "typed", "told"),
    [
        ("thresholds.min_approvals", "0", "can't be used; type a whole number from 1 to 100"),
        ("thresholds.min_approvals", "", "is missing; type a whole number from 1 to 100"),
        ("thresholds.max_error_share", "nan", "can't be used; type a number from 0 to 1"),
        ("thresholds.max_push_exempt_users", "-1", "type a whole number from 0 to 10,000, or empty for no limit"),
        ("thresholds.required_protections", "", "one a line, at least one"),
        ("thresholds.time_zone", "Mars/Base", "'Mars/Base' is no IANA time zone"),
        ("tests.repo_classified.severity", HOSTILE, "one of critical, high, medium"),
    ],
)
def test_a_value_that_cannot_be_used_is_told_at_its_field_with_the_bounds(
    world: Published, open_console: OpenConsole, name: str, typed: str, told: str
) -> None:
    ada = open_console("op", "ada")
    answer = previewed(ada, **{name.replace(".", "__"): typed, "thresholds__due_days_high": "11"})
    assert answer.status_code == 409
    assert problem(answer) == "1 field can't be used; each says why"
    (at_field,) = re.findall(rf'id="{re.escape(name)}-problem">([^<]*)<', answer.text)
    assert told in unescape(at_field)
    assert 'name="thresholds.due_days_high" value="11"' in answer.text
    assert HOSTILE not in answer.text


def test_what_cannot_be_confirmed_changes_nothing(world: Published, open_console: OpenConsole) -> None:
    ada = open_console("op", "ada")
    assert "say why" in previewed(ada, " ", thresholds__min_approvals="2").text
    assert "nothing would change" in problem(previewed(ada))
    both = previewed(ada, thresholds__behaviour_min_sample="6")
    assert "larger than thresholds.behaviour_sample" in problem(both)
    shown = previewed(ada, thresholds__min_approvals="3")
    set_by(world, {"thresholds": {"min_approvals": 2}})
    late = confirmed(ada, shown)
    assert late.status_code == 409 and "another policy came into force since this was shown" in problem(late)
    token = {"csrf_token": ada.token(CHANGE), "reason": "why", "on": policy_of(world.database, WORKSPACE).version}
    for changes in ("", "[]", "{", "[" * 100_000, '{"thresholds": {"min_approvals": 0}}', '{"evidence": {}}'):
        answer = ada.post("/policies", data={**token, "changes": changes}, follow_redirects=False)
        assert answer.status_code == 409, changes
    assert len(world.rows("SELECT 1 FROM registry.policy_overrides")) == 1
    viewer = open_console("viewer")
    assert viewer.get(CHANGE).status_code == 403
    assert viewer.post("/policies").status_code == viewer.post("/policies/preview").status_code == 403


def test_a_file_of_overrides_takes_the_place_of_what_is_set(world: Published, open_console: OpenConsole) -> None:
    set_by(world, {"thresholds": {"due_days_high": 10}})
    ada = open_console("op", "ada")

    def uploaded(content: bytes) -> Response:
        asked = {"csrf_token": ada.token(CHANGE), "reason": "why", "thresholds.min_approvals": "9"}
        return ada.post("/policies/preview", data=asked, files={"file": ("overrides.yaml", content)})

    shown = uploaded(b"thresholds: {min_approvals: 2}")
    told = rows_of(shown.text)
    assert any(row.endswith("1 2 asks for as much or more") for row in told)
    assert any(row.endswith("10 30 asks for less") for row in told)
    assert confirmed(ada, shown).status_code == 303
    (row,) = world.rows("SELECT body FROM registry.policy_states WHERE status = 'proposed'")
    assert row["body"] == {"thresholds": {"min_approvals": 2}}
    for content, why in (
        (b"thresholds: {min_aprovals: 2}", "unknown key"),
        (b"a: &a [1]\nb: *a", "repeats parts of itself"),
        (b"a: 2026-13-45", "no valid YAML"),
        (b"[" * 50_000, "nested too deeply"),
        (b"\xff", "not UTF-8"),
        (b"#" * 65_537, "larger than 64 KB"),
        (b'thresholds: {not_peers: ["a\\0"]}', "NUL"),
        (b"evidence: {review: required}", "for all workspaces"),
    ):
        refused = uploaded(content)
        assert refused.status_code == 409 and why in problem(refused), content


def test_a_hash_leads_to_exactly_that_policy(world: Published, open_console: OpenConsole) -> None:
    console = open_console("viewer")
    version = keep_version(world.database, DELIVERED)
    old = {"thresholds": {"min_approvals": 7, "given_up": HOSTILE}, "tests": {}}
    world.database.execute(
        "INSERT INTO registry.policy_versions (policy_version, body) VALUES ('0123456789ab', %s)", (Jsonb(old),)
    )
    world.database.execute("UPDATE integration.runs SET policy_version = '0123456789ab'")
    shown = console.get("/policies/0123456789ab")
    assert shown.status_code == 200 and HOSTILE not in shown.text
    assert "1 run of acme" in " ".join(shown.text.split())
    assert [row for row in rows_of(shown.text) if row.endswith("7 1")]
    assert [row for row in rows_of(shown.text) if row.endswith("there is no such key any more")]
    assert len(rows_of(console.get(f"/policies/{version}").text)) == len(list(keys())) + 1
    assert 'href="../policies/0123456789ab"' in console.get("/runs/run").text
    for unknown in ("ffffffffffff", "999", "9" * 30, "²", HOSTILE.replace("/", "")):
        answer = console.get(f"/policies/{unknown}")
        assert answer.status_code == 404 and 'class="groups"' in answer.text, unknown


def test_verdicts_changes_and_the_audit_trail_lead_to_the_policy(world: Published, open_console: OpenConsole) -> None:
    ada = open_console("op", "ada")
    confirmed(ada, previewed(ada, thresholds__min_approvals="2"))
    (row,) = world.rows("SELECT override_id, subject_id FROM registry.policy_overrides, compliance.results")
    number = row["override_id"]
    assert f'href="./policies/{number}"' in ada.get("/audit").text
    assert f'href="./policies/{number}"' in ada.get("/changes", params={"since": "2020-01-01"}).text
    assert 'href="../../policies/p"' in ada.get(f"/tests/branch_protection_enforced/{row['subject_id']}").text


def test_a_policy_that_became_invalid_is_told_and_set_anew(world: Published, open_console: OpenConsole) -> None:
    set_by(world, {"thresholds": {"gone": 1}})
    ada = open_console("op", "ada")
    told = ada.get("/policies").text
    assert "thresholds.gone: unknown key" in told and "make policy" not in told
    assert 'data-kind="policy"' in ada.get("/findings").text
    assert confirmed(ada, previewed(ada, thresholds__min_approvals="2")).status_code == 303
    assert policy_of(world.database, WORKSPACE).thresholds["min_approvals"] == 2
