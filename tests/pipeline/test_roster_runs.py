"""Rosters over runs: whom addresses find, what looking them up takes, and what no roster may do to a finding."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bitbucket_compliance.core.database import connect
from bitbucket_compliance.core.errors import ImportRefused
from bitbucket_compliance.registry.imports import import_file, import_roster
from bitbucket_compliance.registry.imports.roster_sources import roster_file
from bitbucket_compliance.registry.imports.take_back import take_back
from sandbox.model import Member
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.harness import Pipeline
from tests.pipeline.small import ACME, people, small_state, whole_run

pytestmark = pytest.mark.slow

Serve = Callable[[SandboxState], SandboxServer]
Take = Callable[..., None]
TEST = "offboarded_access_removed"


@pytest.fixture
def acme(serve: Serve) -> SandboxServer:
    return serve(small_state(1))


@pytest.fixture
def take(pipeline: Pipeline, tmp_path: Path) -> Take:
    """Import a roster of (address, status), or of the rows of a table with a header."""

    def taken(*rows: str, header: str = "email,status", **more: Any) -> None:
        path = tmp_path / "people.csv"
        path.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
        with connect() as connection:
            import_file(connection, "roster", path, imported_by="os:tester", **more)

    return taken


def verdict(pipeline: Pipeline, number: int) -> tuple[str, str]:
    """(status, reason code) of Person ``number``."""
    status, _, reason_code = pipeline.verdicts(ACME)[(TEST, f"Person {number}")]
    return status, reason_code


def lookups(server: SandboxServer) -> list[str]:
    """The filters that were sent since the last reset."""
    return [
        one.query for one in server.state.requests if one.endpoint == "workspace_members" and "email+IN" in one.query
    ]


def again(pipeline: Pipeline, server: SandboxServer, **options: bool) -> list[str]:
    """The filters of a further run."""
    server.state.requests.clear()
    whole_run(pipeline, server, touched=False, **options)
    return lookups(server)


STAFF = [f"person-{number}@example.com,active" for number in range(3)]
LEAVER = "person-3@example.com,terminated"
COMPANY = [f"somebody.{number}@example.com,active" for number in range(400)]


# --------------------------------------------------------------------------------- how many fit into a filter


def test_long_addresses_are_looked_up_by_as_many_as_a_request_line_holds(
    pipeline: Pipeline, acme: SandboxServer, take: Take
) -> None:
    take(*STAFF, LEAVER, *(f"somebody.with.a.long.name-{n:03}@company-name.example,active" for n in range(150)))
    whole_run(pipeline, acme)
    assert verdict(pipeline, 3) == ("failing", "offboarded")
    assert verdict(pipeline, 0) == ("passing", "on_roster")
    assert len(lookups(acme)) == 3


@pytest.mark.parametrize("line", [4094, 2000, 900])
def test_a_filter_that_is_refused_is_halved(pipeline: Pipeline, acme: SandboxServer, take: Take, line: int) -> None:
    acme.state.request_line_limit = line
    take(*STAFF, LEAVER, *COMPANY[:80])
    whole_run(pipeline, acme)
    assert [verdict(pipeline, number)[0] for number in (0, 3)] == ["passing", "failing"]


def test_one_address_that_is_refused_is_named_and_spares_the_others(
    pipeline: Pipeline, acme: SandboxServer, take: Take, caplog: pytest.LogCaptureFixture
) -> None:
    acme.state.refused_address = "odd@example.com"
    take(*STAFF, LEAVER, "odd@example.com,active", *COMPANY[:100])
    whole_run(pipeline, acme)
    assert [verdict(pipeline, number)[0] for number in (0, 3)] == ["passing", "failing"]
    assert "Bitbucket's filter refuses odd@example.com" in caplog.text
    assert again(pipeline, acme) == []


def test_a_lone_address_that_is_refused_is_told_from_a_filter_that_is(
    pipeline: Pipeline, acme: SandboxServer, take: Take
) -> None:
    acme.state.refused_address = "odd@example.com"
    take("odd@example.com,active")
    whole_run(pipeline, acme)
    assert verdict(pipeline, 0) == ("pending", "not_on_roster")


def test_where_any_filter_is_refused_it_is_an_error_and_no_missing_right(
    pipeline: Pipeline, acme: SandboxServer, take: Take
) -> None:
    acme.state.refused_address = "*"
    take(*STAFF, LEAVER)
    whole_run(pipeline, acme)
    assert verdict(pipeline, 3) == ("error", "extract_failed")


# ------------------------------------------------------------------------------------------ what is remembered


def test_what_was_answered_is_not_asked_again_within_a_day(pipeline: Pipeline, acme: SandboxServer, take: Take) -> None:
    take(*STAFF, LEAVER, *COMPANY)
    whole_run(pipeline, acme)
    before = pipeline.verdicts(ACME)
    assert len(lookups(acme)) == 5
    assert again(pipeline, acme) == []
    assert pipeline.verdicts(ACME) == before
    row = pipeline.query("SELECT plan FROM compliance.runs ORDER BY started_at DESC LIMIT 1")[0]
    assert row["plan"]["address_requests"] == 5


def test_only_addresses_that_are_new_are_asked_for(pipeline: Pipeline, acme: SandboxServer, take: Take) -> None:
    take(*STAFF, *COMPANY)
    whole_run(pipeline, acme)
    take(*STAFF, LEAVER, *COMPANY)
    [asked] = again(pipeline, acme)
    assert asked.count("%40") == 1 and "person-3" in asked
    assert verdict(pipeline, 3) == ("failing", "offboarded")


def test_what_is_a_day_old_is_asked_again(pipeline: Pipeline, acme: SandboxServer, take: Take) -> None:
    take(*STAFF, LEAVER)
    whole_run(pipeline, acme)
    pipeline.query("UPDATE landing.looked_up_emails SET asked_at = asked_at - interval '21 hours' RETURNING 1")
    assert len(again(pipeline, acme)) == 1
    assert len(again(pipeline, acme, full_refresh=True)) == 1


def test_where_somebody_new_is_listed_addresses_that_nobody_had_are_asked_for_again(
    pipeline: Pipeline, acme: SandboxServer, take: Take
) -> None:
    take(*STAFF, LEAVER, "person-4@example.com,terminated")
    whole_run(pipeline, acme)
    acme.state.workspaces[0].members.append(Member(people(5)[4], "member"))
    [asked] = again(pipeline, acme)
    assert asked.count("%40") == 1 and "person-4" in asked
    assert verdict(pipeline, 4) == ("failing", "offboarded")


def test_what_could_not_be_asked_again_counts_no_longer(pipeline: Pipeline, acme: SandboxServer, take: Take) -> None:
    take(*STAFF, LEAVER)
    whole_run(pipeline, acme)
    acme.state.refused_address = "*"
    again(pipeline, acme, full_refresh=True)
    assert verdict(pipeline, 0) == ("error", "extract_failed")
    acme.state.refused_address = ""
    assert len(again(pipeline, acme)) == 1
    assert verdict(pipeline, 3) == ("failing", "offboarded")


def test_a_companys_roster_costs_a_small_workspace_one_round_a_day(
    pipeline: Pipeline, serve: Serve, take: Take
) -> None:
    server = serve(small_state(2))
    crew = people(4)
    company = [f"somebody.{number}@example.com,active," for number in range(2699)]
    own = [f",{'terminated' if n == 3 else 'active'},{one.account_id}" for n, one in enumerate(crew)]
    take(*company, *own, header="email,status,account_id")
    whole_run(pipeline, server, touched=False)
    whole_run(pipeline, server, touched=False)
    assert verdict(pipeline, 3) == ("failing", "offboarded")
    assert len([one for one in server.state.requests if one.path.startswith("/2.0/")]) <= 55


# ----------------------------------------------------------------------------------- whose row it is


def test_a_row_that_points_at_two_members_decides_for_neither(
    pipeline: Pipeline, acme: SandboxServer, take: Take
) -> None:
    crew = people(4)
    rows = [
        "person-0@example.com,active,",
        f"person-1@example.com,active,{crew[3].account_id}",
        f"person-2@example.com,active,{crew[0].account_id}",
        "person-3@example.com,terminated,",
    ]
    take(*rows, header="email,status,account_id")
    whole_run(pipeline, acme)
    assert [verdict(pipeline, number) for number in range(4)] == [
        ("passing", "on_roster"),
        ("pending", "ambiguous_match"),
        ("pending", "ambiguous_match"),
        ("failing", "offboarded"),
    ]
    reason = pipeline.query(
        "SELECT reason FROM compliance.current_results WHERE test_id = %s AND subject_name = 'Person 1'", (TEST,)
    )[0]["reason"]
    assert "Person 1" in reason and "Person 3" in reason and "line 3" in reason
    employment = pipeline.query("SELECT member_id FROM compliance.member_employment")
    assert {row["member_id"] for row in employment} == {crew[0].uuid, crew[3].uuid}


def test_every_address_of_a_person_finds_them(pipeline: Pipeline, acme: SandboxServer, take: Take) -> None:
    take(*STAFF, '"p3@home.example; Person <person-3@example.com>",terminated')
    whole_run(pipeline, acme)
    assert verdict(pipeline, 3) == ("failing", "offboarded")
    employment = pipeline.query("SELECT hr_status FROM compliance.member_employment ORDER BY hr_status")
    assert [row["hr_status"] for row in employment] == ["active"] * 3 + ["terminated"]


@pytest.mark.parametrize(
    ("in_bitbucket", "on_roster"),
    [
        ("\u00c9LODIE@example.com", "\u00e9lodie@example.com"),
        # what is lower case for Python, and for a database, is not the same letter
        ("\u039f\u03a3@example.com", "\u03bf\u03c3@example.com"),
        ("\u0130lker@example.com", "\u0130lker@example.com"),
        ("stra\u00dfe@example.com", "STRASSE@example.com"),
    ],
)
def test_addresses_are_the_same_whatever_their_case(
    pipeline: Pipeline, acme: SandboxServer, take: Take, in_bitbucket: str, on_roster: str
) -> None:
    acme.state.workspaces[0].members[3].account.email = in_bitbucket
    take(*STAFF, f"{on_roster},terminated")
    whole_run(pipeline, acme)
    assert verdict(pipeline, 3) == ("failing", "offboarded")
    again(pipeline, acme)
    assert verdict(pipeline, 3) == ("failing", "offboarded"), "by the answer of the run before"


def test_account_ids_are_the_same_whatever_their_case(pipeline: Pipeline, acme: SandboxServer, take: Take) -> None:
    take(*STAFF, f",terminated,{people()[3].account_id.upper()}", header="email,status,account_id")
    whole_run(pipeline, acme)
    assert verdict(pipeline, 3) == ("failing", "offboarded")


def test_a_verdict_is_fresh_no_longer_than_the_roster_that_decided(
    pipeline: Pipeline, acme: SandboxServer, take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("thresholds: {roster_max_age_days: 0.5}\n", encoding="utf-8")
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(policy))
    take(*STAFF, LEAVER)
    whole_run(pipeline, acme)
    [imported] = pipeline.query("SELECT imported_at FROM registry.imports")
    rows = pipeline.query("SELECT fresh_until FROM compliance.current_results WHERE test_id = %s", (TEST,))
    assert [row["fresh_until"] for row in rows] == [imported["imported_at"] + timedelta(days=0.5)] * 4


# ---------------------------------------------------------------------------- what ends no finding


def test_a_leaver_who_was_purged_from_the_roster_stays_found(
    pipeline: Pipeline, acme: SandboxServer, take: Take
) -> None:
    take(*STAFF, LEAVER)
    whole_run(pipeline, acme)
    found = "SELECT finding_id, found_at, due_at, ended_at FROM compliance.findings WHERE test_id = %s"
    before = pipeline.query(found, (TEST,))
    take(*STAFF)
    whole_run(pipeline, acme)
    assert verdict(pipeline, 3)[0] == "pending"
    assert pipeline.query(found, (TEST,)) == before
    assert before[0]["ended_at"] is None
    take(*STAFF, LEAVER)
    whole_run(pipeline, acme)
    assert verdict(pipeline, 3) == ("failing", "offboarded")
    assert pipeline.query(found, (TEST,)) == before


def test_a_roster_that_nothing_shows_to_be_whole_may_lose_nobody(pipeline: Pipeline) -> None:
    def scim(*names: str, doubt: str) -> None:
        from dataclasses import replace

        rows = [(f"{name}@x.io", "active") for name in names]
        file = replace(roster_file("scim:idp", "scim", ("email", "status"), rows), doubt=doubt)
        with connect() as connection:
            import_roster(connection, file, imported_by="os:tester")

    scim("a", "b", "c", doubt="it states 3 users")
    with pytest.raises(ImportRefused, match="nothing shows that these are all: it states 2 users"):
        scim("a", "b", doubt="it states 2 users")
    scim("a", "b", doubt="")


# ------------------------------------------------- rows that can't be used, several rosters, mailboxes


def test_a_leaver_whose_row_could_not_be_used_never_passes(pipeline: Pipeline, acme: SandboxServer, take: Take) -> None:
    company = COMPANY[:40]
    take(*STAFF, "person-3@example.com,gone fishing", "person-3@example.com,active", *company)
    whole_run(pipeline, acme)
    assert verdict(pipeline, 3) == ("pending", "roster_row_refused")
    assert verdict(pipeline, 0) == ("passing", "on_roster")
    take(*STAFF, "person-3@example.com,gone fishing", *company)
    whole_run(pipeline, acme)
    # Nothing but the row that can't be used names the address, and Bitbucket was asked for it nevertheless.
    assert verdict(pipeline, 3) == ("pending", "roster_row_refused")
    take(*STAFF, LEAVER, *company)
    whole_run(pipeline, acme)
    assert verdict(pipeline, 3) == ("failing", "offboarded")


def policy(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    path = folder / "policy.yaml"
    path.write_text(f"thresholds: {{{text}}}")
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(path))


def test_of_two_rosters_the_policy_says_which_decides_and_a_roster_taken_back_decides_no_more(
    pipeline: Pipeline, acme: SandboxServer, take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(*STAFF, LEAVER)
    take("person-3@example.com,active", roster_name="contractors")
    whole_run(pipeline, acme)
    assert verdict(pipeline, 3) == ("pending", "rosters_contradict")
    assert verdict(pipeline, 0) == ("passing", "on_roster")
    policy(tmp_path, monkeypatch, "roster_precedence: [contractors, main]")
    whole_run(pipeline, acme)
    assert verdict(pipeline, 3) == ("passing", "on_roster")
    policy(tmp_path, monkeypatch, "roster_precedence: [main]")
    whole_run(pipeline, acme)
    assert verdict(pipeline, 3) == ("failing", "offboarded")
    hr = "SELECT hr_status FROM compliance.member_employment WHERE member_id = %s"
    assert pipeline.query(hr, (people(4)[3].uuid,)) == [{"hr_status": "terminated"}]
    detail = pipeline.query(
        "SELECT detail FROM compliance.current_results WHERE test_id = %s AND subject_name = 'Person 3'", (TEST,)
    )[0]["detail"]
    assert detail["rosters"] == {"contractors": "belongs here", "main": "left"} and detail["decided_by"] == ["main"]
    policy(tmp_path, monkeypatch, "roster_precedence: []")
    [contractors] = pipeline.query("SELECT import_id FROM registry.rosters_in_force WHERE roster_name = 'contractors'")
    with connect() as connection:
        take_back(connection, contractors["import_id"], reason="of another company", taken_back_by="os:tester")
    whole_run(pipeline, acme)
    assert verdict(pipeline, 3) == ("failing", "offboarded")


def test_a_mailbox_is_asked_for_without_dots_and_tags_where_the_policy_names_its_domain(
    pipeline: Pipeline, acme: SandboxServer, take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(*STAFF, "per.son-3+left@example.com,terminated")
    whole_run(pipeline, acme)
    assert verdict(pipeline, 3) == ("pending", "not_on_roster")
    policy(tmp_path, monkeypatch, "domains_without_dots: [example.com], domains_without_tags: [example.com]")
    whole_run(pipeline, acme)
    assert verdict(pipeline, 3) == ("failing", "offboarded")
    assert verdict(pipeline, 0) == ("passing", "on_roster")
    review = "SELECT matched_by FROM compliance.members WHERE member_id = %s"
    assert pipeline.query(review, (people(4)[3].uuid,)) == [{"matched_by": "email"}]
