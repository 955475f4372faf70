"""Rosters as they come: rows that can't be used, several by name, previews, and taking an import back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row

from bitbucket_compliance.core.errors import ImportRefused, SourceWrong
from bitbucket_compliance.registry.imports import ImportResult, import_file, problem_lines
from bitbucket_compliance.registry.imports.mapping import load_mapping
from bitbucket_compliance.registry.imports.roster import read_roster
from bitbucket_compliance.registry.imports.take_back import listed, one, refused_rows, take_back
from bitbucket_compliance.registry.tables.read import header_by, table
from bitbucket_compliance.security_tests.policies import decide, set_override
from local.postgres import EmbeddedPostgres
from tests.conftest import Database
from tests.databases import copied, unguarded

TABLES = (
    "registry.evidence_decisions", "registry.evidence_members", "registry.evidence", "registry.people",
    "registry.refused_rows", "registry.classification_bindings", "registry.classification",
    "registry.import_withdrawals", "registry.imports", "registry.roster_mappings", "integration.console_audit",
    "registry.policy_decisions", "registry.policy_overrides",
    "staging.members", "staging.member_emails", "staging.repositories",
)  # fmt: skip
STAFF = "".join(f"p{number}@x.io,active\n" for number in range(30))
CLASSIFICATION = "target_type,target,classification,sensitivity,owner"


class Take(Protocol):
    def __call__(self, content: str, kind: str = "roster", **more: Any) -> ImportResult: ...


@pytest.fixture(scope="module")
def database(postgres: EmbeddedPostgres) -> Iterator[Database]:
    """One database for the module, as tasks open it: nothing commits by itself."""
    with copied(postgres, "roster_imports") as address, psycopg.connect(address, row_factory=dict_row) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _empty_registry(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPLIANCE_EVIDENCE_URL", (tmp_path / "store").as_uri())
    database.rollback()
    with unguarded(database):
        for name in TABLES:
            database.execute(f"DELETE FROM {name}")  # type: ignore[arg-type]  # noqa: S608


@pytest.fixture
def take(database: Database, tmp_path: Path) -> Take:
    def write_and_take(content: str, kind: str = "roster", **more: Any) -> ImportResult:
        path = tmp_path / "declared.csv"
        path.write_text(content)
        taken = import_file(database, kind, path, imported_by="os:ada", is_vouched_for=True, **more)
        database.commit()
        return taken

    return write_and_take


def people(*rows: str) -> str:
    """A roster of 30 people and these rows of address and status."""
    return "email,status\n" + STAFF + "".join(f"{row}\n" for row in rows)


def in_force(database: Database) -> dict[str, list[str]]:
    """By roster, the addresses that are no staff's."""
    found: dict[str, list[str]] = {}
    for row in database.execute("SELECT roster_name, email FROM registry.roster ORDER BY line"):
        found.setdefault(row["roster_name"], []).extend([] if row["email"].startswith("p") else [row["email"]])
    return found


def rows_of(database: Database) -> dict[str, int]:
    return {
        name: database.execute(f"SELECT count(*) AS rows FROM {name}").fetchone()["rows"]  # type: ignore[arg-type,index]  # noqa: S608
        for name in TABLES
    }


# -------------------------------------------------------------------------------------- rows that can't be used


def test_a_row_that_can_not_be_used_is_told_and_kept_and_the_others_are_taken(take: Take, database: Database) -> None:
    taken = take(people("a@x.io,gone fishing", "b@x.io,terminated"))
    assert in_force(database) == {"main": ["b@x.io"]}
    assert (taken.rows, taken.taken) == (32, 31)
    told = list(taken.lines())
    assert told[0] == "imported: roster declared.csv: 31 people"
    assert told[1].startswith("refused: declared.csv: line 32: column status: 'gone fishing' is unknown; known: active")
    assert "rows that can't be used: 1; the import's record keeps them" in told[2]
    [row] = database.execute("SELECT * FROM registry.refused_rows").fetchall()
    assert (row["import_id"], row["line"], row["email"]) == (taken.import_id, 32, "a@x.io")
    assert row["problems"][0].startswith("column status: is unknown")
    assert "fishing" not in str(row["problems"])  # what stood there may be about somebody's employment


def test_strict_refuses_the_roster_for_one_row(take: Take, database: Database) -> None:
    with pytest.raises(ImportRefused, match="1 bad value") as refused:
        take(people("a@x.io,gone fishing"), strict=True)
    assert "line 32: column status" in "".join(problem_lines(refused.value))
    assert rows_of(database)["registry.imports"] == 0


@pytest.mark.parametrize(("bad", "is_taken"), [(1, True), (2, False), (30, False)])
def test_a_roster_with_too_many_bad_rows_is_refused_as_a_whole(
    take: Take, database: Database, bad: int, is_taken: bool
) -> None:
    content = people(*(f"a{number}@x.io,gone" for number in range(bad)))
    if is_taken:
        take(content)
    else:
        with pytest.raises(ImportRefused, match=rf"{bad} of {30 + bad} rows can't be used, more than .*\(5%\) allows"):
            take(content)
    database.rollback()
    assert rows_of(database)["registry.imports"] == is_taken


def test_the_policy_says_how_many_bad_rows_are_too_many(
    take: Take, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("thresholds: {max_bad_row_share: 0.5}")
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(policy))
    take(people(*(f"a{number}@x.io,gone" for number in range(30))))
    with pytest.raises(ImportRefused):
        take("email,status\na@x.io,gone\n", may_shrink=True)


def test_rows_of_one_person_that_contradict_each_other_are_counted(take: Take) -> None:
    taken = take(people("a@x.io,active", "a@x.io,terminated", "b@x.io,terminated", "b@x.io,terminated"))
    [told] = [line for line in taken.lines() if "contradict each other" in line]
    assert "people whose rows contradict each other: 1" in told and told.endswith("line 32, 33")


def test_what_stands_in_a_file_makes_no_line_of_its_own(take: Take) -> None:
    taken = take(f'email,"status","end\ndate"\n{STAFF}a@x.io,"x\nimported: all",soon\n', preview=True)
    assert all("\n" not in line for line in taken.lines())
    assert not [line for line in str(taken).splitlines() if line.startswith("imported")]


STATES = ("active", "terminated", "on leave", "gone", "", "N/A")
ADDRESSES = ("a@x.io", "b@x.io; c@x.io", "N/A", "nobody at all", "", "=1+1", "\u200bd@x.io")
DAYS = ("", "2026-10-31", "01/02/2026", "0026-01-01", "soon", "-")


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(ADDRESSES), st.sampled_from(STATES), st.sampled_from(DAYS), st.sampled_from(("", "i"))
        ),
        min_size=1,
        max_size=8,
    )
)
def test_of_a_broken_roster_each_row_is_a_person_or_refused_by_its_line_and_never_both(
    rows: list[tuple[str, str, str, str]],
) -> None:
    text = "email,status,end_date,account_id\n" + "".join(",".join(row) + "\n" for row in rows)
    mapping = load_mapping()
    file = table("people.csv", text.encode(), header_by(mapping.header_rule))
    roster = read_roster(file, mapping, ZoneInfo("UTC")) if file.rows else None
    if roster is None:
        return
    taken, left_out = {person.line for person in roster.people}, {row.line for row in roster.refused}
    assert taken | left_out == {line for line, _ in file.rows} and not taken & left_out
    assert left_out == {problem.line for problem in roster.bad.found}
    for line, (email, status, end_date, account_id) in ((line, row) for line, row in file.rows):
        is_fine = (
            status in ("active", "terminated", "on leave")
            and end_date in ("", "2026-10-31", "-")
            and ("@" in email or account_id == "i")
        )
        assert (line in taken) == is_fine
    if left_out:
        with pytest.raises(ImportRefused, match=r"first: people\.csv: line \d+: column "):
            roster.refuse_if_bad(1, strict=True)


# --------------------------------------------------------------------------------------------- several rosters


def test_a_newer_import_takes_the_place_of_the_roster_of_its_name_alone(take: Take, database: Database) -> None:
    take(people("e@x.io,active"))
    take("email,status\nc1@x.io,active\n", roster_name="Contractors")
    assert in_force(database) == {"main": ["e@x.io"], "contractors": ["c1@x.io"]}
    taken = take("email,status\nc2@x.io,active\n", roster_name="contractors")
    assert in_force(database) == {"main": ["e@x.io"], "contractors": ["c2@x.io"]}
    assert str(taken) == "imported: roster declared.csv: 1 people of the roster contractors"


def test_a_roster_is_as_long_as_the_one_of_its_name_before(take: Take) -> None:
    take(people())
    take("email,status\nc1@x.io,active\n", roster_name="contractors")
    with pytest.raises(ImportRefused, match="it names 1 people, the roster before 30"):
        take("email,status\nc1@x.io,active\n")


@pytest.mark.parametrize("name", ["two words", "-x", "a" * 41, "é", "a;b"])
def test_a_name_that_is_none_is_refused(take: Take, name: str) -> None:
    with pytest.raises(SourceWrong, match="is no name of a roster"):
        take(people(), roster_name=name)


# ------------------------------------------------------------------------------------------------------ previews


@pytest.mark.parametrize(("kind", "content"), [
    ("roster", people("a@x.io,gone fishing")),
    ("classification", f"{CLASSIFICATION}\nrepository,pay,production,,\n"),
    ("mfa", "Email,Two-step verification\na@x.io,Enabled\n"),
])  # fmt: skip
def test_a_preview_says_what_would_be_taken_and_writes_nothing(
    take: Take, database: Database, tmp_path: Path, kind: str, content: str
) -> None:
    before = rows_of(database)
    seen = take(content, kind, preview=True)
    assert rows_of(database) == before
    assert not (tmp_path / "store").exists()
    assert seen.import_id is None
    lines = list(seen.lines())
    assert lines[0].startswith(f"preview: {kind} declared.csv: ") and lines[0].endswith("nothing was written")
    taken = take(content, kind)
    assert taken.import_id is not None
    assert (seen.rows, seen.taken) == (taken.rows, taken.taken)
    assert [line for line in seen.unclear if line.startswith("refused")] == [
        line for line in taken.unclear if line.startswith("refused")
    ]


def test_a_preview_tells_columns_rows_and_whom_it_names(take: Take, database: Database) -> None:
    now = datetime.now(UTC)
    database.execute(
        "INSERT INTO staging.members (workspace, member_id, account_id, display_name, member_type, data_as_of) VALUES"
        " ('acme', '{1}', 'id-1', 'Ada', 'user', %(now)s), ('acme', '{2}', null, 'Bo', 'user', %(now)s),"
        " ('acme', '{3}', null, 'Cy', 'user', %(now)s), ('acme', '{4}', 'id-4', 'App', 'app_user', %(now)s)",
        {"now": now},
    )
    database.execute(
        "INSERT INTO staging.member_emails (workspace, email, member_id, data_as_of)"
        " VALUES ('acme', 'bo@x.io', '{2}', %s)",
        (now,),
    )
    rows = "id-1,a@home.example,active\n,Bo <bo@x.io>,active\nid-4,,active\nid-9,cy@x.io,active\n"
    seen = list(take(f"Atlassian ID,Work Email,Employment Status\n{rows}", preview=True).lines())
    assert "preview: column email: 'Work Email'" in seen
    assert "preview: column end_date: none" in seen
    assert "preview: 4 rows, 4 of them would be taken" in seen
    assert "preview: 2 of 3 members that were read are named by account id or confirmed address" in seen


def test_a_preview_matches_mailboxes_as_the_policy_of_the_workspace_says(take: Take, database: Database) -> None:
    """Whom the verdicts will find by an address is found by the preview too, workspace by workspace."""
    for workspace in ("acme", "other"):
        database.execute(
            "INSERT INTO staging.members (workspace, member_id, display_name, member_type, data_as_of)"
            " VALUES (%s, '{1}', 'Ada', 'user', now())",
            (workspace,),
        )
        database.execute(
            "INSERT INTO staging.member_emails (workspace, email, member_id, data_as_of)"
            " VALUES (%s, 'ada.l@x.io', '{1}', now())",
            (workspace,),
        )
    rows = people("adal+work@x.io,active")
    assert "preview: 0 of 2 members" in str(take(rows, preview=True))
    changes = {"thresholds": {"domains_without_dots": ["x.io"], "domains_without_tags": ["x.io"]}}
    proposal = set_override(database, "acme", changes, set_by="os:ada", reason="our mail server")
    if proposal:
        decide(database, proposal.override_id, "accept", decided_by="os:bo")
    assert "preview: 1 of 2 members" in str(take(rows, preview=True))


def test_a_preview_tells_rows_that_name_several_and_addresses_that_are_new(take: Take, database: Database) -> None:
    take(people("old@x.io,active"))
    database.execute(
        "INSERT INTO staging.members (workspace, member_id, account_id, display_name, member_type, data_as_of) VALUES"
        " ('acme', '{1}', 'id-1', 'Ada', 'user', now()), ('acme', '{2}', null, 'Bo', 'user', now())"
    )
    database.execute(
        "INSERT INTO staging.member_emails (workspace, email, member_id, data_as_of)"
        " VALUES ('acme', 'bo@x.io', '{2}', now())"
    )
    rows = "bo@x.io,active,id-1\nnew@x.io,active,\nold@x.io,active,\n"
    seen = str(take(f"email,status,account_id\n{rows}", preview=True, may_shrink=True))
    assert "preview: 0 of 2 members" in seen
    assert "preview: rows that name several members, and decide for none: 1" in seen
    assert "preview: addresses on no roster yet, of which the next run asks Bitbucket whose: 1" in seen


def test_a_preview_of_a_classification_names_targets_that_match_nothing(take: Take, database: Database) -> None:
    database.execute(
        "INSERT INTO staging.repositories (workspace, repository_id, slug, project_key, data_as_of)"
        " VALUES ('acme', '{1}', 'pay', 'CORE', now())"
    )
    rows = ["repository,acme/pay", "repository,payy", "project,core", "project,other", "pattern,p*", "pattern,q*"]
    content = "\n".join([CLASSIFICATION, *(f"{row},production,," for row in rows)])
    seen = take(content, "classification", preview=True)
    assert [line.split(": ")[2].removesuffix(" matches no repository that was read") for line in seen.unclear] == [
        "pattern q*", "project other", "repository payy",
    ]  # fmt: skip


# ---------------------------------------------------------------------------------------------------- taking back


def test_an_import_keeps_its_digest_its_mapping_and_who_made_it(take: Take, database: Database) -> None:
    taken = take(people(), mapping="okta")
    row = one(database, taken.import_id or 0)
    assert row is not None
    assert (row["mapping"], row["imported_by"], row["roster_name"], row["is_in_force"]) == (
        "okta",
        "os:ada",
        "main",
        True,
    )
    assert len(row["file_sha256"]) == 64 and row["mapping_version"] == load_mapping("okta").version
    kept = database.execute("SELECT body FROM registry.roster_mappings").fetchone()
    assert kept == {"body": load_mapping("okta").body}


def test_a_roster_that_is_taken_back_leaves_the_one_before_in_force(take: Take, database: Database) -> None:
    first = take(people("a@x.io,active"))
    other = take("email,status\nc@x.io,active\n", roster_name="contractors")
    second = take(people("b@x.io,active"))
    assert second.import_id and first.import_id
    taken = take_back(database, second.import_id, reason="the wrong report", taken_back_by="os:bo")
    assert f"the roster main is import {first.import_id} again" in taken.told
    assert in_force(database) == {"main": ["a@x.io"], "contractors": ["c@x.io"]}
    states = {row["import_id"]: (row["is_in_force"], row["taken_back_by"]) for row in listed(database)}
    assert states == {
        first.import_id: (True, None),
        other.import_id: (True, None),
        second.import_id: (False, "os:bo"),
    }
    history = database.execute(
        "SELECT import_id, is_current, valid_from, valid_to FROM registry.roster_history WHERE roster_name = 'main'"
        " ORDER BY valid_from"
    ).fetchall()
    assert [(row["import_id"], row["is_current"]) for row in history] == [
        (first.import_id, False),
        (second.import_id, False),
        (first.import_id, True),
    ]
    assert [row["valid_to"] for row in history] == [history[1]["valid_from"], history[2]["valid_from"], None]
    [entry] = database.execute("SELECT * FROM integration.console_audit").fetchall()
    assert (entry["actor"], entry["action"], entry["subject"]) == (
        "os:bo",
        "import.taken_back",
        f"import {second.import_id}",
    )
    assert entry["after"]["reason"] == "the wrong report" and entry["before"]["row_count"] == 31


def test_the_only_roster_leaves_none_and_an_older_one_changes_nothing(take: Take, database: Database) -> None:
    first, second = take(people("a@x.io,active")), take(people("b@x.io,active"))
    assert first.import_id and second.import_id
    take_back(database, first.import_id, reason="r", taken_back_by="os:bo")
    assert in_force(database) == {"main": ["b@x.io"]}
    told = take_back(database, second.import_id, reason="r", taken_back_by="os:bo").told
    assert told == "no roster main is in force any more"
    assert in_force(database) == {}


def test_refused_rows_go_and_come_with_their_import(take: Take, database: Database) -> None:
    take(people("a@x.io,gone"))
    second = take(people("a@x.io,active"))
    waiting = "SELECT email FROM registry.refused_roster_rows"
    assert database.execute(waiting).fetchall() == []
    take_back(database, second.import_id or 0, reason="r", taken_back_by="os:bo")
    assert database.execute(waiting).fetchall() == [{"email": "a@x.io"}]


@pytest.mark.parametrize("reason", ["", "  \n", "x" * 2001, "a\x00b"])
def test_taking_back_needs_a_reason(take: Take, database: Database, reason: str) -> None:
    taken = take(people())
    with pytest.raises(ImportRefused, match="reason"):
        take_back(database, taken.import_id or 0, reason=reason, taken_back_by="os:bo")
    database.rollback()
    assert rows_of(database)["registry.import_withdrawals"] == 0


def test_what_is_not_there_or_was_taken_back_can_not_be(take: Take, database: Database) -> None:
    with pytest.raises(ImportRefused, match="there is no import 4711"):
        take_back(database, 4711, reason="r", taken_back_by="os:bo")
    taken = take(people())
    take_back(database, taken.import_id or 0, reason="r", taken_back_by="os:bo")
    with pytest.raises(ImportRefused, match="was taken back already, by os:bo"):
        take_back(database, taken.import_id or 0, reason="r", taken_back_by="os:cy")


def test_a_classification_that_is_taken_back_leaves_what_was_declared_before(take: Take, database: Database) -> None:
    def declared() -> dict[str, str]:
        rows = database.execute("SELECT target, classification FROM registry.classification_in_force").fetchall()
        return {row["target"]: row["classification"] for row in rows}

    first = take(f"{CLASSIFICATION}\nrepository,pay,production,,\n", "classification")
    second = take(
        f"{CLASSIFICATION}\nrepository,pay,non_production,,\nrepository,web,non_production,,\n", "classification"
    )
    assert first.import_id and second.import_id
    with pytest.raises(ImportRefused, match=f"import {second.import_id} is a later classification"):
        take_back(database, first.import_id, reason="r", taken_back_by="os:bo")
    database.rollback()
    take_back(database, second.import_id, reason="another team's list", taken_back_by="os:bo")
    assert declared() == {"pay": "production"}
    history = database.execute(
        "SELECT target, classification, valid_from, valid_to FROM registry.classification_history"
        " ORDER BY target, valid_from"
    ).fetchall()
    assert [(row["target"], row["classification"], row["valid_to"] is None) for row in history] == [
        ("pay", "production", False),
        ("pay", "non_production", False),
        ("pay", "production", True),
        ("web", "non_production", False),
    ]
    take_back(database, first.import_id, reason="r", taken_back_by="os:bo")
    assert declared() == {}


def test_the_evidence_of_an_export_that_is_taken_back_is_withdrawn(take: Take, database: Database) -> None:
    taken = take("Email,Two-step verification\na@x.io,Enabled\n", "mfa")
    take_back(database, taken.import_id or 0, reason="of another organisation", taken_back_by="os:bo")
    row = database.execute("SELECT status, withdrawn_by, decision_reason FROM registry.evidence_states").fetchone()
    assert row == {"status": "withdrawn", "withdrawn_by": "os:bo", "decision_reason": "of another organisation"}


def test_the_rows_of_an_import_that_could_not_be_used_are_listed(take: Take, database: Database) -> None:
    taken = take(people("a@x.io,gone"))
    [row] = refused_rows(database, taken.import_id or 0)
    assert row["line"] == 32 and "column status" in row["problems"][0]
