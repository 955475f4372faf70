"""Rules of user_mfa_enabled."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from tests.security_tests.builders import NOW, TODAY, World, identity, outcome

TEST = "user_mfa_enabled"
ENABLED = ("passing", "evidence", "mfa_enabled")
DISABLED = ("failing", "evidence", "mfa_disabled")
UNCLEAR = ("pending", None, "evidence_unclear")
MISSING = ("pending", None, "evidence_missing")
EXPIRED = ("pending", None, "evidence_expired")


def judged(world: World, name: str = "Ada") -> dict[str, Any]:
    return world.judge(TEST)[name]


def found(world: World) -> dict[str, tuple[str, str | None, str]]:
    return {name: outcome(verdict) for name, verdict in world.judge(TEST).items()}


def test_evidence_says_on_or_off_for_each_member_it_covers(world: World) -> None:
    world.member("on", "id-on").member("off", "id-off").member("joined later", "id-new")
    world.mfa_export((None, "id-on", True), (None, "id-off", False), (None, "id-stranger", False))
    assert found(world) == {"on": ENABLED, "off": DISABLED, "joined later": MISSING}


def test_without_evidence_it_is_missing(world: World) -> None:
    world.member("Ada", "id-ada")
    assert outcome(judged(world)) == MISSING


def test_members_are_found_by_account_id_or_by_confirmed_address(world: World) -> None:
    world.member("by id", "id-1").member("by address", email="a@example.com").member("by neither", "id-3")
    world.mfa_export((None, "id-1", True), ("a@example.com", None, True), ("b@example.com", "id-4", True))
    verdicts = world.judge(TEST)
    assert {name: verdict["reason_code"] for name, verdict in verdicts.items()} == {
        "by id": "mfa_enabled",
        "by address": "mfa_enabled",
        "by neither": "evidence_missing",
    }
    assert verdicts["by id"]["detail"]["matched_by"] == "account_id"
    assert verdicts["by address"]["detail"]["matched_by"] == "email"


def test_apps_are_not_applicable_even_where_the_export_names_them(world: World) -> None:
    world.member("bot", "id-bot", member_type="app_user").mfa_export((None, "id-bot", False))
    assert outcome(judged(world, "bot"))[::2] == ("not_applicable", "app_user")


@pytest.mark.parametrize("status", ["submitted", "rejected", "withdrawn"])
def test_only_accepted_evidence_counts(world: World, status: str) -> None:
    world.member("Ada", "id-ada").mfa_export((None, "id-ada", True), status=status)
    assert outcome(judged(world)) == MISSING


def test_evidence_of_another_test_or_workspace_does_not_count(world: World) -> None:
    world.member("Ada", "id-ada").mfa_export((None, "id-ada", True), workspace="elsewhere")
    world.evidence("workspace_mfa_enforced", TODAY)
    assert outcome(judged(world)) == MISSING
    world.mfa_export((None, "id-ada", True), workspace="acme")
    assert outcome(judged(world)) == ENABLED


@pytest.mark.parametrize(("age", "expected"), [(0, ENABLED), (89, ENABLED), (90, EXPIRED), (400, EXPIRED)])
def test_evidence_holds_for_the_days_of_the_policy_the_day_of_capture_included(
    world: World, age: int, expected: tuple[str, str | None, str]
) -> None:
    world.member("Ada", "id-ada").mfa_export((None, "id-ada", True), captured_on=TODAY - timedelta(days=age))
    assert outcome(judged(world)) == expected


def test_the_validity_is_policy(world: World) -> None:
    world.member("Ada", "id-ada").mfa_export((None, "id-ada", False), captured_on=TODAY - timedelta(days=1))
    world.thresholds(evidence_validity_days=1)
    assert outcome(judged(world)) == EXPIRED
    world.thresholds(evidence_validity_days=2)
    assert outcome(judged(world)) == DISABLED


@pytest.mark.parametrize(
    ("zone", "clock", "expected"),
    [
        ("Pacific/Auckland", "2026-03-31T10:59:00+00:00", ENABLED),
        ("Pacific/Auckland", "2026-03-31T11:00:00+00:00", EXPIRED),
        ("America/Los_Angeles", "2026-04-01T06:59:00+00:00", ENABLED),
        ("America/Los_Angeles", "2026-04-01T07:00:00+00:00", EXPIRED),
    ],
)
def test_the_day_it_expires_is_a_day_of_the_policys_time_zone(
    world: World, zone: str, clock: str, expected: tuple[str, str | None, str]
) -> None:
    world.now = datetime.fromisoformat(clock)
    world.thresholds(time_zone=zone, evidence_validity_days=1)
    world.member("Ada", "id-ada").mfa_export((None, "id-ada", True), captured_on=TODAY)
    assert outcome(judged(world)) == expected


def test_evidence_of_a_day_to_come_neither_counts_nor_is_it_expired(world: World) -> None:
    world.member("Ada", "id-ada").mfa_export((None, "id-ada", True), captured_on=TODAY + timedelta(days=1))
    assert outcome(judged(world)) == MISSING


def test_the_newest_valid_evidence_wins(world: World) -> None:
    world.member("switched off", "id-1").member("switched on", "id-2").member("only in the old one", "id-3")
    newest = world.mfa_export((None, "id-1", False), (None, "id-2", True), captured_on=TODAY)
    world.mfa_export(
        (None, "id-1", True), (None, "id-2", False), (None, "id-3", True), captured_on=TODAY - timedelta(days=5)
    )
    verdicts = world.judge(TEST)
    assert {name: outcome(verdict) for name, verdict in verdicts.items()} == {
        "switched off": DISABLED,
        "switched on": ENABLED,
        "only in the old one": ENABLED,
    }
    assert verdicts["switched on"]["facts"] == {"evidence_id": newest}


def test_of_two_captured_on_one_day_the_one_submitted_later_wins(world: World) -> None:
    world.member("Ada", "id-ada")
    world.mfa_export((None, "id-ada", False), submitted_at=NOW - timedelta(hours=1))
    world.mfa_export((None, "id-ada", True), submitted_at=NOW - timedelta(hours=2))
    assert outcome(judged(world)) == DISABLED


def test_a_newer_export_that_leaves_a_member_out_does_not_hide_the_older_one(world: World) -> None:
    world.member("Ada", "id-ada").mfa_export((None, "id-ada", False), captured_on=TODAY - timedelta(days=9))
    world.mfa_export((None, "id-bo", True))
    assert outcome(judged(world)) == DISABLED


@pytest.mark.parametrize("rows", [(True, False), (False, True), (True, False, True)])
def test_two_rows_of_one_person_that_differ_are_unclear(world: World, rows: tuple[bool, ...]) -> None:
    world.member("Ada", "id-ada", email="ada@example.com")
    world.mfa_export(*(("ada@example.com", "id-ada" if on else None, on) for on in rows))
    assert outcome(judged(world)) == UNCLEAR


@pytest.mark.parametrize(("says", "expected"), [
    ("on", ENABLED), ("off", DISABLED), ("unclear", UNCLEAR),
    ("single_sign_on", ("pending", None, "mfa_at_identity_provider")),
    ("deactivated", ("not_applicable", "evidence", "account_deactivated")),
])  # fmt: skip
def test_what_a_row_says_decides(world: World, says: str, expected: tuple[str, str | None, str]) -> None:
    world.member("Ada", "id-ada").mfa_export((None, "id-ada", says))
    assert outcome(judged(world)) == expected


@pytest.mark.parametrize("days", [0, 1, 30])
def test_a_picture_of_the_providers_policy_settles_single_sign_on(world: World, days: int) -> None:
    world.member("Ada", "id-ada").mfa_export((None, "id-ada", "single_sign_on"))
    evidence_id = world.evidence(TEST, TODAY - timedelta(days=days), scope="workspace", workspace="acme")
    world.database.execute(
        "INSERT INTO registry.evidence_subjects (evidence_id, workspace, subject_type, subject_id)"
        " VALUES (%s, 'acme', 'member', %s)",
        (evidence_id, identity("Ada")),
    )
    assert outcome(judged(world)) == ENABLED


@pytest.mark.parametrize(("own", "expected"), [(None, "unclear"), (True, "unclear"), (False, "disabled")])
def test_a_row_of_two_members_makes_nobody_pass(world: World, own: bool | None, expected: str) -> None:
    world.member("Ada", "id-1", email="ada@example.com").member("Bo", "id-2")
    rows: list[tuple[str | None, str | None, bool | str]] = [("ada@example.com", "id-2", True)]
    world.mfa_export(*rows, *([] if own is None else [(None, "id-2", own)]))
    assert found(world) == {"Ada": UNCLEAR, "Bo": DISABLED if expected == "disabled" else UNCLEAR}


@pytest.mark.parametrize(("lookup", "expected"), [
    ("failed", ("error", None, "extract_failed")), ("not_found", ("error", None, "extract_failed")),
    ("scope_missing", ("pending", None, "scope_missing")),
    ("permission_missing", ("pending", None, "permission_missing")),
])  # fmt: skip
def test_a_look_up_that_failed_leaves_open_only_whom_nothing_else_decides(
    world: World, lookup: str, expected: tuple[str, str | None, str]
) -> None:
    world.member("covered", "id-1").member("open", "id-2")
    world.mfa_export(("c@example.com", "id-1", True), ("open@example.com", None, False))
    world.lookup = lookup
    assert found(world) == {"covered": ENABLED, "open": expected}


@pytest.mark.parametrize("lookup", ["failed", "permission_missing"])
def test_a_look_up_for_expired_evidence_alone_changes_nothing(world: World, lookup: str) -> None:
    world.member("named", "id-1").member("not named", "id-2")
    world.mfa_export(
        ("n@example.com", "id-1", True), ("x@example.com", None, True), captured_on=TODAY - timedelta(days=91)
    )
    world.lookup = lookup
    assert found(world)["named"] == EXPIRED


def test_a_look_up_does_not_matter_where_every_declared_address_is_known(world: World) -> None:
    world.member("Ada", email="ada@example.com").member("Bo", "id-bo")
    world.mfa_export(("ada@example.com", None, True))
    world.lookup = "failed"
    assert found(world) == {"Ada": ENABLED, "Bo": MISSING}


def test_a_name_is_no_match(world: World) -> None:
    world.member("ada@example.com").mfa_export(("ada@example.com", None, True))
    world.lookup = "ok"
    assert outcome(judged(world, "ada@example.com")) == MISSING


def test_facts_are_the_evidence_and_nothing_else(world: World) -> None:
    world.member("Ada", "id-ada")
    evidence_id = world.mfa_export((None, "id-ada", True))
    before = judged(world)
    assert before["facts"] == {"evidence_id": evidence_id}
    assert before["detail"]["captured_on"] == TODAY.isoformat()
    world.member("Bo", "id-bo").mfa_export((None, "id-bo", True))
    world.roster({"account_id": "id-ada", "status": "terminated"})
    world.now = NOW + timedelta(days=3)
    after = judged(world)
    assert after["facts"] == before["facts"]
    assert after["subject_id"] == identity("Ada")


def test_addresses_never_reach_the_verdict(world: World) -> None:
    world.member("Ada", email="secret@example.com").mfa_export(("secret@example.com", None, True))
    assert "secret@example.com" not in str(judged(world))


def test_data_is_as_old_as_the_listing_of_members(world: World) -> None:
    world.member("Ada")
    assert judged(world)["data_as_of"] == NOW + timedelta(minutes=1)


# ------------------------------------------------------------------- screenshots


def screenshot(world: World, *names: str, captured_on: date = TODAY, workspace: str = "acme", **more: Any) -> str:
    """An accepted screenshot that showed two-step verification of these members, as accepting freezes it."""
    evidence_id = world.evidence(TEST, captured_on, scope="workspace", workspace=workspace, **more)
    for name in names:
        world.database.execute(
            "INSERT INTO registry.evidence_subjects (evidence_id, workspace, subject_type, subject_id, subject_name)"
            " VALUES (%s, %s, 'member', %s, %s)",
            (evidence_id, workspace, identity(name), name),
        )
    return evidence_id


def test_a_screenshot_shows_it_for_the_members_that_were_frozen(world: World) -> None:
    world.member("Ada").member("joined later").member("bot", member_type="app_user")
    evidence_id = screenshot(world, "Ada", "bot", "gone")
    verdicts = world.judge(TEST)
    assert {name: outcome(verdict)[2] for name, verdict in verdicts.items()} == {
        "Ada": "mfa_enabled",
        "joined later": "evidence_missing",
        "bot": "app_user",
    }
    ada = verdicts["Ada"]
    assert outcome(ada) == ENABLED
    assert ada["facts"] == {"evidence_id": evidence_id}
    assert ada["detail"] == {"evidence_id": evidence_id, "captured_on": TODAY.isoformat()}
    assert f"screenshot captured on {TODAY}" in ada["reason"]


@pytest.mark.parametrize(("export_age", "screenshot_age", "expected"), [(5, 3, ENABLED), (3, 5, DISABLED)])
def test_of_an_export_and_a_screenshot_the_newer_capture_decides(
    world: World, export_age: int, screenshot_age: int, expected: tuple[str, str | None, str]
) -> None:
    world.member("Ada", "id-ada").member("only in the export", "id-x").member("only in the screenshot")
    export = world.mfa_export(
        (None, "id-ada", False), (None, "id-x", False), captured_on=TODAY - timedelta(days=export_age)
    )
    shot = screenshot(world, "Ada", "only in the screenshot", captured_on=TODAY - timedelta(days=screenshot_age))
    verdicts = world.judge(TEST)
    assert outcome(verdicts["Ada"]) == expected
    assert verdicts["Ada"]["facts"] == {"evidence_id": shot if expected == ENABLED else export}
    assert outcome(verdicts["only in the export"]) == DISABLED
    assert outcome(verdicts["only in the screenshot"]) == ENABLED


@pytest.mark.parametrize("status", ["submitted", "rejected", "withdrawn"])
def test_only_an_accepted_screenshot_counts(world: World, status: str) -> None:
    world.member("Ada")
    screenshot(world, "Ada", status=status)
    assert outcome(judged(world)) == MISSING


@pytest.mark.parametrize(("age", "expected"), [(-1, MISSING), (0, ENABLED), (89, ENABLED), (90, EXPIRED)])
def test_a_screenshot_holds_as_long_as_an_export(world: World, age: int, expected: tuple[str, str | None, str]) -> None:
    world.member("Ada")
    screenshot(world, "Ada", captured_on=TODAY - timedelta(days=age))
    assert outcome(judged(world)) == expected


def test_an_export_past_its_validity_does_not_stand_against_a_valid_screenshot(world: World) -> None:
    world.thresholds(evidence_validity_days=10)
    world.member("Ada", "id-ada")
    world.mfa_export((None, "id-ada", False), captured_on=TODAY - timedelta(days=10))
    screenshot(world, "Ada", captured_on=TODAY - timedelta(days=9))
    assert outcome(judged(world)) == ENABLED


def test_a_screenshot_of_another_workspace_does_not_count(world: World) -> None:
    world.member("Ada")
    screenshot(world, "Ada", workspace="elsewhere")
    assert outcome(judged(world)) == MISSING


@pytest.mark.parametrize("lookup", ["failed", "permission_missing"])
def test_whom_a_screenshot_covers_needs_no_look_up(world: World, lookup: str) -> None:
    world.member("Ada")
    world.mfa_export(("x@example.com", None, False), captured_on=TODAY - timedelta(days=2))
    screenshot(world, "Ada", captured_on=TODAY - timedelta(days=1))
    world.lookup = lookup
    assert outcome(judged(world)) == ENABLED
