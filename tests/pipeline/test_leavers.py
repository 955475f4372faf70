"""Who was a member from when to when, who left, and when their access was found to be gone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from local.postgres import EmbeddedPostgres
from local.postgres_cluster import ADMIN_ROLE
from sandbox.model import Member
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.harness import Pipeline
from tests.pipeline.days import Days
from tests.pipeline.small import people, small_state

Serve = Callable[[SandboxState], SandboxServer]


@pytest.fixture
def acme(serve: Serve) -> SandboxServer:
    return serve(small_state(1))


@pytest.fixture
def days(pipeline: Pipeline, acme: SandboxServer, postgres: EmbeddedPostgres, tmp_path: Path) -> Days:
    name = pipeline.dsn.rsplit("/", 1)[1].split("?")[0]
    return Days(pipeline, acme, postgres.uri(name, ADMIN_ROLE), tmp_path)


def in_days(number: int) -> date:
    return datetime.now(UTC).date() + timedelta(days=number)


def test_access_that_is_gone_on_the_day_after_the_last_one_was_removed_in_time(days: Days) -> None:
    days.roster(("person-3@example.com", "terminated", 0))
    days.run()
    still = days.leaver()
    assert (still["state"], still["days_late"], still["matched_by"]) == ("still has access", 0, "email")
    days.pass_by(1)
    days.remove(3)
    days.run()
    gone = days.leaver()
    assert (gone["state"], gone["days_late"]) == ("removed in time", 0)
    assert (gone["last_working_day"], gone["last_seen_on"], gone["found_removed_on"]) == (
        in_days(-1), in_days(-1), in_days(0),
    )  # fmt: skip
    assert gone["display_name"] == "Person 3", "who they were is known when the account is gone"


def test_access_that_was_seen_after_the_last_day_was_removed_late(days: Days) -> None:
    days.roster(("person-3@example.com", "terminated", 0))
    for _ in range(4):
        days.run()
        days.pass_by(1)
    assert (days.leaver()["state"], days.leaver()["days_late"]) == ("still has access", 4)
    days.remove(3)
    days.run()
    gone = days.leaver()
    assert (gone["state"], gone["days_late"], gone["last_seen_on"]) == ("removed late", 4, in_days(-1))
    days.pass_by(5)
    days.run()
    assert days.leaver()["days_late"] == 4, "what is over grows no more"


def test_where_no_listing_tells_when_the_access_went_it_is_not_known(days: Days) -> None:
    days.roster(("person-3@example.com", "terminated", 0))
    days.run()
    days.pass_by(3)
    days.remove(3)
    days.run()
    row = days.leaver()
    assert (row["state"], row["days_late"]) == ("not known", None)
    assert row["not_known_because"].startswith(f"The access was there on {in_days(-3)} and gone on {in_days(0)};")


def test_a_listing_that_is_not_complete_removes_nobody(days: Days) -> None:
    days.roster(("person-3@example.com", "terminated", -2))
    days.run()
    days.pass_by(1)
    days.remove(3)
    days.server.state.add_fault("workspace_members", kind="wrong_size")
    days.run()
    row = days.leaver()
    assert (row["state"], row["found_removed_on"]) == ("not known", None)
    assert [one["valid_to"] for one in days.members(3)] == [None]


def test_whoever_was_never_a_member_never_had_access_if_that_would_have_been_seen(days: Days) -> None:
    days.roster(("stranger@example.com", "active", ""), ("earlier@example.com", "terminated", -30))
    days.run()
    assert days.leaver()["state"] == "not known", "they left before anybody looked"
    days.pass_by(1)
    days.roster(("stranger@example.com", "terminated", 0), ("earlier@example.com", "terminated", -31))
    days.run()
    states = {row["email"]: (row["state"], row["days_late"], row["is_declared"]) for row in days.leavers()}
    assert states == {
        "stranger@example.com": ("never had access", None, True),
        "earlier@example.com": ("not known", None, True),
    }


def test_a_name_alone_tells_nothing_and_one_who_is_hired_again_did_not_leave(days: Days) -> None:
    header = "email,name,status,end_date"
    days.roster(("", "Person 2", "terminated", -1), ("person-3@example.com", "", "terminated", -1), header=header)
    days.run()
    assert [(row["name"], row["state"]) for row in days.leavers() if row["name"]] == [("Person 2", "not known")]
    days.roster(
        ("person-3@example.com", "", "terminated", -1), ("person-3@example.com", "", "active", ""), header=header
    )
    days.run()
    assert {row["is_declared"] for row in days.leavers()} == {False}, "both rows stay, and no roster says so any more"


def test_the_roster_that_drops_a_person_takes_nobody_out_of_the_population(days: Days) -> None:
    days.roster(("person-3@example.com", "terminated", 0), ("person-0@example.com", "active", ""))
    days.run()
    days.roster(("person-0@example.com", "active", ""))
    days.run()
    assert (days.leaver()["is_declared"], days.leaver()["state"]) == (False, "still has access")


def test_members_have_an_interval_for_each_role_and_each_stay(days: Days) -> None:
    [workspace] = days.server.state.workspaces
    days.roster(("person-1@example.com", "active", ""))
    first = days.run()
    workspace.members[1] = Member(workspace.members[1].account, "owner")
    days.pass_by(1)
    days.run()
    days.remove(1)
    days.pass_by(1)
    days.run()
    days.pass_by(1)
    workspace.members.append(Member(people()[1], "member"))
    last = days.run()
    rows = days.members(1)
    assert [(row["role"], row["valid_to"] is None) for row in rows] == [
        ("member", False), ("owner", False), ("member", True),
    ]  # fmt: skip
    assert rows[0]["valid_to"] == rows[1]["valid_from"] < rows[1]["valid_to"] < rows[2]["valid_from"]
    days.run()
    assert days.members(1) == rows, "a run in which nothing changed adds nothing"
    joined = days.pipeline.query(
        "SELECT first_run_id, role, on_roster, rejoined, was_there_before FROM compliance.joiners"
        " WHERE display_name = 'Person 1' ORDER BY first_seen_at"
    )
    assert [tuple(row.values()) for row in joined] == [
        (first, "member", True, False, True), (last, "member", True, True, False),
    ]  # fmt: skip
