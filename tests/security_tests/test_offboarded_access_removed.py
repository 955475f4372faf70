"""Rules of offboarded_access_removed."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.security_tests.builders import NOW, TODAY, World, identity, outcome

TEST = "offboarded_access_removed"
ON_ROSTER = ("passing", "registry", "on_roster")
OFFBOARDED = ("failing", "registry", "offboarded")
AMBIGUOUS = ("pending", None, "ambiguous_match")
NOT_ON_ROSTER = ("pending", None, "not_on_roster")
GONE = {"status": "terminated", "end_date": None}
LEFT_YESTERDAY = {"status": "terminated", "end_date": TODAY - timedelta(days=1)}


def judged(world: World, name: str = "Ada") -> dict[str, Any]:
    return world.judge(TEST)[name]


def found(world: World) -> dict[str, tuple[str, str | None, str]]:
    return {name: outcome(verdict) for name, verdict in world.judge(TEST).items()}


@pytest.mark.parametrize("status", ["active", "on_leave"])
def test_who_is_active_or_on_leave_passes_whatever_the_end_date_says(world: World, status: str) -> None:
    world.member("Ada", "id-ada")
    world.roster({"account_id": "id-ada", "status": status, "end_date": date(2020, 1, 1)})
    assert outcome(judged(world)) == ON_ROSTER


def test_terminated_without_an_end_date_is_gone(world: World) -> None:
    world.member("Ada", "id-ada").roster({"account_id": "id-ada", **GONE})
    verdict = judged(world)
    assert outcome(verdict) == OFFBOARDED
    assert verdict["subject_type"] == "member"
    assert verdict["subject_id"] == identity("Ada")


def test_the_last_day_is_still_theirs(world: World) -> None:
    ends = {"yesterday": -1, "today": 0, "tomorrow": 1, "far": 30000}
    for name in ends:
        world.member(name, f"id-{name}")
    world.roster(
        *(
            {"account_id": f"id-{name}", "status": "terminated", "end_date": TODAY + timedelta(days=days)}
            for name, days in ends.items()
        )
    )
    assert found(world) == {"yesterday": OFFBOARDED, "today": ON_ROSTER, "tomorrow": ON_ROSTER, "far": ON_ROSTER}


def test_grace_days_are_added_to_the_last_day(world: World) -> None:
    world.thresholds(offboarding_grace_days=3)
    for days in (2, 3, 4):
        world.member(f"left {days} days ago", f"id-{days}")
    world.member("left, nobody knows when", "id-none")
    world.roster(
        *(
            {"account_id": f"id-{days}", "status": "terminated", "end_date": TODAY - timedelta(days=days)}
            for days in (2, 3, 4)
        ),
        {"account_id": "id-none", **GONE},
    )
    assert found(world) == {
        "left 2 days ago": ON_ROSTER,
        "left 3 days ago": ON_ROSTER,
        "left 4 days ago": OFFBOARDED,
        "left, nobody knows when": OFFBOARDED,
    }


@pytest.mark.parametrize("end_date", [date.min, date.max])
@pytest.mark.parametrize("grace", [0, 30])
def test_an_end_date_at_the_edge_of_the_calendar_is_judged(world: World, end_date: date, grace: int) -> None:
    world.thresholds(offboarding_grace_days=grace)
    world.member("Ada", "id-ada").roster({"account_id": "id-ada", "status": "terminated", "end_date": end_date})
    assert outcome(judged(world)) == (OFFBOARDED if end_date == date.min else ON_ROSTER)


@pytest.mark.parametrize(
    ("zone", "clock", "expected"),
    [
        ("UTC", "2026-03-31T23:59:59+00:00", ON_ROSTER),
        ("UTC", "2026-04-01T00:00:00+00:00", OFFBOARDED),
        ("Pacific/Auckland", "2026-03-31T10:59:59+00:00", ON_ROSTER),
        ("Pacific/Auckland", "2026-03-31T11:00:00+00:00", OFFBOARDED),
        ("America/Los_Angeles", "2026-04-01T06:59:59+00:00", ON_ROSTER),
        ("America/Los_Angeles", "2026-04-01T07:00:00+00:00", OFFBOARDED),
    ],
)
def test_today_is_the_day_of_the_run_in_the_policys_time_zone(
    world: World, zone: str, clock: str, expected: tuple[str, str, str]
) -> None:
    world.now = datetime.fromisoformat(clock)
    assert world.now.astimezone(ZoneInfo(zone)).date() in (date(2026, 3, 31), date(2026, 4, 1))
    world.thresholds(time_zone=zone)
    world.member("Ada", "id-ada")
    world.roster({"account_id": "id-ada", "status": "terminated", "end_date": date(2026, 3, 31)})
    assert outcome(judged(world)) == expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([GONE, {"status": "active"}], ON_ROSTER),
        ([{"status": "active"}, GONE], ON_ROSTER),
        ([GONE, {"status": "on_leave"}], ON_ROSTER),
        ([GONE, {"status": "terminated", "end_date": TODAY}], ON_ROSTER),
        ([GONE, LEFT_YESTERDAY], OFFBOARDED),
    ],
)
def test_only_where_all_rows_of_a_person_say_gone_have_they_left(
    world: World, rows: list[dict[str, Any]], expected: tuple[str, str, str]
) -> None:
    world.member("Ada", "id-ada").roster(*({"account_id": "id-ada", **row} for row in rows))
    assert outcome(judged(world)) == expected


def test_rows_found_by_id_and_rows_found_by_address_belong_together(world: World) -> None:
    world.member("rehired", "id-1", email="rehired@example.com")
    world.member("gone twice", "id-2", email="gone@example.com")
    world.roster(
        {"account_id": "id-1", **GONE},
        {"email": "rehired@example.com", "status": "active"},
        {"account_id": "id-2", **GONE},
        {"email": "gone@example.com", **LEFT_YESTERDAY},
    )
    assert found(world) == {"rehired": ON_ROSTER, "gone twice": OFFBOARDED}


def test_a_row_with_another_id_matches_by_its_address(world: World) -> None:
    world.member("Ada", "id-now", email="ada@example.com")
    world.roster({"account_id": "id-then", "email": "ada@example.com", **GONE})
    verdict = judged(world)
    assert outcome(verdict) == OFFBOARDED
    assert verdict["detail"]["matched_by"] == ["email"]


@pytest.mark.parametrize("row", [
    {"email": "team@example.com"},
    {"email": "ada@example.com", "account_id": "id-2"},
    {"email": "ada@example.com", "other_emails": ["bo@example.com"]},
])  # fmt: skip
@pytest.mark.parametrize("status", [GONE, {"status": "active"}])
def test_a_row_that_points_at_two_members_decides_for_neither_and_names_both(
    world: World, row: dict[str, Any], status: dict[str, Any]
) -> None:
    world.member("Ada", "id-1", email="ada@example.com").member("Bo", "id-2", email="bo@example.com")
    world.confirm("team@example.com", "Ada").confirm("team@example.com", "Bo")
    world.roster({**row, **status})
    verdicts = world.judge(TEST)
    assert {name: outcome(verdict) for name, verdict in verdicts.items()} == {"Ada": AMBIGUOUS, "Bo": AMBIGUOUS}
    assert all("Ada" in verdict["reason"] and "Bo" in verdict["reason"] for verdict in verdicts.values())


def test_beside_a_row_of_two_members_each_ones_own_row_decides(world: World) -> None:
    world.member("Ada", "id-1", email="ada@example.com").member("Bo", "id-2")
    world.roster({"email": "ada@example.com", "account_id": "id-2"}, {"account_id": "id-2", **GONE})
    assert found(world) == {"Ada": AMBIGUOUS, "Bo": OFFBOARDED}


def test_a_row_of_a_member_and_of_somebody_who_is_none_decides(world: World) -> None:
    world.member("Ada", "id-1").confirm("left@example.com", "Nobody listed")
    world.roster({"account_id": "id-1", "email": "left@example.com", **GONE})
    assert found(world) == {"Ada": OFFBOARDED}


def test_rows_of_one_person_that_contradict_each_other_are_counted(world: World) -> None:
    world.member("Ada", "id-1").roster({"account_id": "id-1", **GONE}, {"account_id": "id-1", "status": "active"})
    verdict = judged(world)
    assert outcome(verdict) == ON_ROSTER
    assert (verdict["detail"]["roster_rows"], verdict["detail"]["rows_that_say_gone"]) == (2, 1)


def test_every_address_of_a_row_finds_its_member(world: World) -> None:
    world.member("Ada", email="ada@example.com")
    world.roster({"email": "a@home.example", "other_emails": ["x@example.com", "ada@example.com"], **GONE})
    assert found(world) == {"Ada": OFFBOARDED}


def test_addresses_are_compared_trimmed_and_without_case(world: World) -> None:
    world.member("Ada").confirm("  ADA.É@Example.COM ", "Ada")
    world.roster({"email": "ada.é@example.com", **GONE})
    assert outcome(judged(world)) == OFFBOARDED


def test_account_ids_are_compared_whole_and_without_case(world: World) -> None:
    world.member("Ada", "557058:abc").member("Bo", "557058:abcd")
    world.roster({"account_id": "557058:ABC", **GONE}, {"account_id": "557058:ab", **GONE})
    assert found(world) == {"Ada": OFFBOARDED, "Bo": NOT_ON_ROSTER}


def test_two_empty_ids_are_no_match(world: World) -> None:
    world.member("Ada", None).roster({"name": "Somebody else", "account_id": None, **GONE})
    assert outcome(judged(world)) == NOT_ON_ROSTER


@pytest.mark.parametrize(
    ("display_name", "roster_name"),
    [
        ("Zoë Brandt", "ZOË BRANDT"),
        ("Zoe\u0308 Brandt", "Zoë Brandt"),
        ("Ａｄａ", "ada"),
        ("Groß", "GROSS"),
        ("ﬁona", "Fiona"),
    ],
)
@pytest.mark.parametrize("status", ["active", "terminated"])
def test_the_same_name_alone_is_pending_never_guessed(
    world: World, display_name: str, roster_name: str, status: str
) -> None:
    world.member(display_name).roster({"name": roster_name, "status": status, "email": "x@example.com"})
    world.lookup = "ok"
    assert outcome(judged(world, display_name)) == AMBIGUOUS


def test_a_member_without_a_name_is_not_taken_for_a_row_without_one(world: World) -> None:
    world.member("", "id-1").roster({"name": None, "account_id": "id-2"}, {"name": " ", "account_id": "id-3"})
    assert outcome(judged(world, "")) == NOT_ON_ROSTER


def test_the_name_does_not_matter_where_id_or_address_match(world: World) -> None:
    world.member("Ada", "id-ada").roster({"account_id": "id-ada", "name": "Bo"}, {"name": "Ada", **GONE})
    assert outcome(judged(world)) == ON_ROSTER


def test_who_stands_in_no_row_is_pending(world: World) -> None:
    world.member("Ada", "id-ada").roster({"account_id": "id-bo", "name": "Bo"})
    assert outcome(judged(world)) == NOT_ON_ROSTER


def test_apps_are_not_applicable_whatever_the_roster_says(world: World) -> None:
    world.member("bot", "id-bot", member_type="app_user")
    assert outcome(judged(world, "bot"))[::2] == ("not_applicable", "app_user")
    world.roster({"account_id": "id-bot", **GONE})
    assert outcome(judged(world, "bot"))[::2] == ("not_applicable", "app_user")


def test_without_a_roster_everybody_is_pending(world: World) -> None:
    world.member("Ada", "id-ada")
    assert outcome(judged(world)) == ("pending", None, "no_roster")


@pytest.mark.parametrize(("max_age", "age", "stale"), [
    (7, timedelta(days=7), False), (7, timedelta(days=7, seconds=1), True), (0.5, timedelta(hours=13), True),
    (0.5, timedelta(hours=12), False), (7, timedelta(hours=-1), False),
])  # fmt: skip
def test_a_roster_older_than_the_policy_allows_is_stale(
    world: World, max_age: float, age: timedelta, stale: bool
) -> None:
    world.thresholds(roster_max_age_days=max_age)
    world.member("Ada", "id-ada").roster({"account_id": "id-ada", **GONE}, imported_at=NOW - age)
    assert outcome(judged(world)) == (("pending", None, "stale_roster") if stale else OFFBOARDED)


def test_the_newest_roster_alone_counts(world: World) -> None:
    world.member("Ada", "id-ada")
    world.roster({"account_id": "id-ada", "status": "active"})
    world.roster({"account_id": "id-ada", **GONE})
    assert outcome(judged(world)) == OFFBOARDED


@pytest.mark.parametrize(("lookup", "expected"), [
    ("failed", ("error", None, "extract_failed")), ("not_found", ("error", None, "extract_failed")),
    ("scope_missing", ("pending", None, "scope_missing")),
    ("permission_missing", ("pending", None, "permission_missing")),
])  # fmt: skip
def test_a_look_up_that_failed_leaves_open_only_whom_nothing_else_decides(
    world: World, lookup: str, expected: tuple[str, str | None, str]
) -> None:
    world.member("here", "id-here").member("gone", "id-gone").member("unknown", "id-unknown")
    world.roster(
        {"account_id": "id-here", "email": "here@example.com"},
        {"account_id": "id-gone", "email": "gone@example.com", **GONE},
        {"email": "unknown@example.com", "name": "Unknown", **GONE},
    )
    world.lookup = lookup
    assert found(world) == {"here": ON_ROSTER, "gone": OFFBOARDED, "unknown": expected}


@pytest.mark.parametrize("lookup", ["failed", "permission_missing"])
def test_a_look_up_does_not_matter_where_every_declared_address_is_known(world: World, lookup: str) -> None:
    world.member("Ada", email="ada@example.com").member("Bo")
    world.roster({"email": "ada@example.com", **GONE}, {"account_id": "id-x"})
    world.lookup = lookup
    assert found(world) == {"Ada": OFFBOARDED, "Bo": NOT_ON_ROSTER}


def test_nothing_to_look_up_is_no_failed_look_up(world: World) -> None:
    world.member("Ada", "id-ada").roster({"account_id": "id-bo"})
    assert world.lookup is None
    assert outcome(judged(world)) == NOT_ON_ROSTER


def test_employment_never_reaches_the_verdict(world: World) -> None:
    world.member("Ada", "id-ada", email="ada@example.com")
    world.roster({"account_id": "id-ada", "email": "ada@example.com", "name": "Ada Secret", **LEFT_YESTERDAY})
    text = str(judged(world))
    assert not any(secret in text for secret in (str(TODAY - timedelta(days=1)), "ada@example.com", "Ada Secret"))


def test_facts_do_not_change_with_another_roster_that_says_the_same(world: World) -> None:
    world.member("Ada", "id-ada").roster({"account_id": "id-ada", **GONE})
    before = judged(world)
    world.roster({"account_id": "id-bo"}, {"account_id": "id-ada", **LEFT_YESTERDAY, "name": "Ada"})
    world.member("Bo", "id-bo")
    after = judged(world)
    assert outcome(before) == outcome(after)
    assert before["facts"] == after["facts"]


def test_data_is_as_old_as_the_listing_of_members(world: World) -> None:
    world.member("Ada").roster({"name": "x"})
    verdict = judged(world)
    assert verdict["data_as_of"] == NOW + timedelta(minutes=1)
    assert verdict["evaluated_at"] == NOW


def test_an_empty_workspace_has_no_verdicts(world: World) -> None:
    world.roster({"name": "Ada"})
    assert world.judge(TEST) == {}


def test_names_reach_the_verdict_exactly_as_they_are(world: World) -> None:
    nasty = "Robert'); DROP TABLE members;-- <b>\t=1+1 🚀 \u200f\\N"
    world.member(nasty, "id").roster({"account_id": "id"})
    assert outcome(judged(world, nasty)) == ON_ROSTER


# ------------------------------------------------------------------------------------- rows that could not be used

ROW_REFUSED = ("pending", None, "roster_row_refused")
ACTIVE = {"status": "active"}


@pytest.mark.parametrize("refused", [
    {"account_id": "id-ada"}, {"email": "ada@example.com"}, {"email": "a@x.io", "other_emails": ["ada@example.com"]},
    {"name": "ADA"}, {"account_id": "id-ada", "email": "nobody@example.com"},
])  # fmt: skip
@pytest.mark.parametrize("others", [[], [ACTIVE], [GONE], [ACTIVE, GONE]])
def test_nobody_passes_or_fails_whose_row_could_not_be_used(
    world: World, refused: dict[str, Any], others: list[dict[str, Any]]
) -> None:
    world.member("Ada", "id-ada", email="ada@example.com").member("Bo", "id-bo")
    rows = [{"account_id": "id-ada", **other} for other in others]
    world.roster({"account_id": "id-bo"}, *rows, refused=[refused])
    verdicts = world.judge(TEST)
    assert {name: outcome(verdict) for name, verdict in verdicts.items()} == {"Ada": ROW_REFUSED, "Bo": ON_ROSTER}
    assert f"line {len(rows) + 3} of the roster" in verdicts["Ada"]["reason"]
    assert verdicts["Ada"]["detail"]["refused_rows"] == 1


def test_a_name_alone_points_at_nobody_where_the_refused_row_says_more(world: World) -> None:
    world.member("Ada", "id-ada").roster(
        {"account_id": "id-ada"}, refused=[{"name": "Ada", "email": "other@example.com"}]
    )
    assert found(world) == {"Ada": ON_ROSTER}


def test_refused_rows_of_a_roster_that_was_replaced_hold_up_nobody(world: World) -> None:
    world.member("Ada", "id-ada").roster({"account_id": "id-bo"}, refused=[{"account_id": "id-ada"}])
    world.roster({"account_id": "id-ada"})
    assert found(world) == {"Ada": ON_ROSTER}


# ------------------------------------------------------------------------------------------------- several rosters

CONTRADICT = ("pending", None, "rosters_contradict")
STALE = ("pending", None, "stale_roster")


def two_rosters(world: World, employees: list[dict[str, Any]], contractors: list[dict[str, Any]], **more: Any) -> None:
    world.member("Ada", "id-ada").member("Bo", "id-bo")
    world.roster({"account_id": "id-bo"}, *({"account_id": "id-ada", **row} for row in employees), name="employees")
    world.roster(*({"account_id": "id-ada", **row} for row in contractors), name="contractors", **more)


@pytest.mark.parametrize(("precedence", "employees", "contractors", "expected"), [
    ([], [GONE], [ACTIVE], CONTRADICT),
    ([], [ACTIVE], [GONE], CONTRADICT),
    ([], [GONE], [GONE], OFFBOARDED),
    ([], [ACTIVE], [ACTIVE], ON_ROSTER),
    ([], [], [GONE], OFFBOARDED),
    ([], [GONE, ACTIVE], [ACTIVE], ON_ROSTER),
    (["employees"], [GONE], [ACTIVE], OFFBOARDED),
    (["employees", "contractors"], [ACTIVE], [GONE], ON_ROSTER),
    (["contractors"], [GONE], [ACTIVE], ON_ROSTER),
    (["others"], [GONE], [ACTIVE], CONTRADICT),
])  # fmt: skip
def test_of_rosters_that_contradict_each_other_the_first_in_the_policys_order_decides(
    world: World,
    precedence: list[str],
    employees: list[dict[str, Any]],
    contractors: list[dict[str, Any]],
    expected: tuple[str, str, str],
) -> None:
    world.thresholds(roster_precedence=precedence)
    two_rosters(world, employees, contractors)
    verdict = judged(world)
    assert outcome(verdict) == expected
    if employees and contractors:
        assert set(verdict["detail"]["rosters"]) == {"employees", "contractors"}
        decided = verdict["detail"]["decided_by"]
        assert decided == (precedence[:1] if precedence not in ([], ["others"]) else ["contractors", "employees"])


@pytest.mark.parametrize(("precedence", "expected"), [
    ([], STALE), (["employees"], ON_ROSTER), (["contractors"], STALE),
])  # fmt: skip
def test_each_roster_is_as_old_as_its_own_import(
    world: World, precedence: list[str], expected: tuple[str, str, str]
) -> None:
    world.thresholds(roster_precedence=precedence)
    two_rosters(world, [ACTIVE], [GONE], imported_at=NOW - timedelta(days=8))
    assert found(world) == {"Ada": expected, "Bo": ON_ROSTER}


def test_whom_no_current_roster_names_waits_for_the_one_that_is_too_old(world: World) -> None:
    two_rosters(world, [], [], imported_at=NOW)
    world.roster({"account_id": "id-cy"}, name="interns", imported_at=NOW - timedelta(days=8))
    verdict = judged(world)
    assert outcome(verdict) == STALE
    assert "interns" in verdict["reason"] and "employees" not in verdict["reason"]


@pytest.mark.parametrize(("precedence", "expected"), [
    (["employees", "contractors"], OFFBOARDED), (["contractors", "employees"], ROW_REFUSED), ([], ROW_REFUSED),
])  # fmt: skip
def test_a_row_that_could_not_be_used_of_a_roster_that_counts_less_saves_no_leaver(
    world: World, precedence: list[str], expected: tuple[str, str, str]
) -> None:
    world.thresholds(roster_precedence=precedence)
    two_rosters(world, [GONE], [], refused=[{"account_id": "id-ada"}])
    world.roster({"account_id": "id-x"}, name="contractors", refused=[{"account_id": "id-ada"}])
    assert outcome(judged(world)) == expected


def test_nobody_passes_by_one_roster_while_another_that_counts_as_much_can_not_be_matched(world: World) -> None:
    world.member("Ada", "id-ada")
    world.roster({"email": "ada@example.com", **GONE}, name="employees")
    world.roster({"account_id": "id-ada"}, name="contractors")
    world.lookup = "permission_missing"
    assert outcome(judged(world)) == ("pending", None, "permission_missing")
    world.thresholds(roster_precedence=["contractors"])
    assert outcome(judged(world)) == ON_ROSTER


def test_the_same_line_of_two_rosters_is_two_rows(world: World) -> None:
    world.member("Ada", "id-ada").member("Bo", "id-bo")
    world.roster({"account_id": "id-ada"}, name="employees").roster({"account_id": "id-bo", **GONE}, name="contractors")
    assert found(world) == {"Ada": ON_ROSTER, "Bo": OFFBOARDED}


# ---------------------------------------------------------------------------------------------------- mailboxes


@pytest.mark.parametrize(("dots", "tags", "declared", "confirmed", "is_found"), [
    ([], [], "a.da@x.io", "ada@x.io", False),
    (["x.io"], [], "a.da@x.io", "ada@x.io", True),
    (["X.IO"], [], "ada@x.io", "a.d.a@x.io", True),
    (["x.io"], [], "a.da@y.io", "ada@y.io", False),
    (["x.io"], [], "ada+hr@x.io", "ada@x.io", False),
    ([], ["x.io"], "ada+hr@x.io", "ada@x.io", True),
    ([], ["x.io"], "ada@x.io", "ada+git@x.io", True),
    ([], ["x.io"], "a.da@x.io", "ada+git@x.io", False),
    (["x.io"], ["x.io"], "a.da+hr@x.io", "ad.a+git@x.io", True),
])  # fmt: skip
def test_dots_and_tags_are_ignored_for_the_domains_that_the_policy_names(
    world: World, dots: list[str], tags: list[str], declared: str, confirmed: str, is_found: bool
) -> None:
    world.thresholds(domains_without_dots=dots, domains_without_tags=tags)
    world.member("Ada", email=confirmed).roster({"email": declared, **GONE})
    assert outcome(judged(world)) == (OFFBOARDED if is_found else NOT_ON_ROSTER)
