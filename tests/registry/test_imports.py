"""Rules of imports: what is taken, what is refused with file, line, column and reason, and that nothing is halved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg.rows import dict_row

from bitbucket_compliance.core.errors import ImportRefused
from bitbucket_compliance.registry.imports import import_file, problem_lines
from local.postgres import EmbeddedPostgres
from tests.conftest import Database
from tests.databases import copied, unguarded

ROSTER = "email,name,status,end_date,account_id"
CLASSIFICATION = "target_type,target,classification,sensitivity,owner"
MFA = "Email,Atlassian ID,Two-step verification"
BOM = b"\xef\xbb\xbf"
TABLES = (
    "evidence_decisions",
    "evidence_subjects",
    "evidence_members",
    "evidence",
    "people",
    "classification",
    "imports",
)
UUID = "a89ebfd7-d263-59ac-9106-5e5691c5f0c8"

Take = Callable[..., str]


@pytest.fixture(scope="module")
def connection(postgres: EmbeddedPostgres) -> Iterator[Database]:
    """One database for the module, as tasks open it: nothing commits by itself."""
    with copied(postgres, "registry_imports") as address, psycopg.connect(address, row_factory=dict_row) as opened:
        opened.execute("SET TIME ZONE 'UTC'")
        opened.commit()
        yield opened


@pytest.fixture(autouse=True)
def _empty_registry(connection: Database) -> None:
    with unguarded(connection):
        for table in TABLES:
            connection.execute(f"DELETE FROM registry.{table}")  # type: ignore[arg-type]  # noqa: S608


@pytest.fixture
def take(connection: Database, tmp_path: Path) -> Take:
    """Write a file and import it."""

    def write_and_take(
        kind: str, content: str | bytes, *, captured_on: date | None = None, name: str = "declared.csv"
    ) -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        taken = import_file(
            connection, kind, path, imported_by="os:tester", captured_on=captured_on, is_vouched_for=True
        )
        connection.commit()
        return taken

    return write_and_take


def refused(take: Take, connection: Database, kind: str, content: str | bytes, **more: Any) -> list[str]:
    """The problems of a file that has to be refused; nothing of it may have been taken."""
    before = {table: count(connection, table) for table in TABLES}
    with pytest.raises(ImportRefused) as error:
        take(kind, content, **more)
    connection.rollback()
    assert {table: count(connection, table) for table in TABLES} == before
    assert "\n" not in str(error.value)
    assert "declared.csv" in str(error.value)
    return [line.removeprefix("refused: ") for line in problem_lines(error.value)]


def count(connection: Database, table: str) -> int:
    row = connection.execute(f"SELECT count(*) AS rows FROM registry.{table}").fetchone()  # type: ignore[arg-type]  # noqa: S608
    assert row is not None
    return int(row["rows"])


def roster(connection: Database) -> list[dict[str, Any]]:
    return connection.execute("SELECT * FROM registry.roster ORDER BY line").fetchall()


def classification(connection: Database) -> list[dict[str, Any]]:
    return connection.execute("SELECT * FROM registry.classification ORDER BY entry_id").fetchall()


def covered(connection: Database) -> list[tuple[str | None, str | None, bool]]:
    rows = connection.execute(
        "SELECT email, account_id, mfa_enabled FROM registry.evidence_members ORDER BY evidence_id, line"
    ).fetchall()
    return [(row["email"], row["account_id"], row["mfa_enabled"]) for row in rows]


# ------------------------------------------------------------- what files look like


def test_a_good_roster_is_taken_whole(take: Take, connection: Database) -> None:
    said = take("roster", f"{ROSTER}\na@x.io,Ada,active,,id-a\n,Bo,terminated,2024-02-29,\n,,on_leave,,id-c\n")
    assert [
        (r["line"], r["email"], r["name"], r["status"], r["end_date"], r["account_id"]) for r in roster(connection)
    ] == [
        (2, "a@x.io", "Ada", "active", None, "id-a"),
        (3, None, "Bo", "terminated", date(2024, 2, 29), None),
        (4, None, None, "on_leave", None, "id-c"),
    ]
    assert said.startswith("imported: roster declared.csv")
    assert "3" in said


def test_who_imported_which_file_when_is_kept(take: Take, connection: Database) -> None:
    take("roster", f"{ROSTER}\na@x.io,Ada,active,,\n")
    row = connection.execute("SELECT * FROM registry.imports").fetchone()
    assert row is not None
    assert (row["kind"], row["file_name"], row["row_count"], row["imported_by"]) == (
        "roster",
        "declared.csv",
        1,
        "os:tester",
    )
    assert len(row["file_sha256"]) == 64
    assert abs(row["imported_at"] - datetime.now(UTC)) < timedelta(minutes=1)


BODY = "\na@x.io,Ada,active,,id-a\n"
SHAPES = {
    "as it is": (ROSTER + BODY).encode(),
    "byte order mark": BOM + (ROSTER + BODY).encode(),
    "semicolons": (ROSTER + BODY).replace(",", ";").encode(),
    "tabs": (ROSTER + BODY).replace(",", "\t").encode(),
    "CRLF": (ROSTER + BODY).replace("\n", "\r\n").encode(),
    "CR alone": (ROSTER + BODY).replace("\n", "\r").encode(),
    "byte order mark, semicolons and CRLF": BOM + (ROSTER + BODY).replace(",", ";").replace("\n", "\r\n").encode(),
    "no newline at the end": (ROSTER + BODY).rstrip("\n").encode(),
    "blank lines": (ROSTER + "\n\n" + BODY + "\n,,,,\n  \n").encode(),
    "blank lines first": ("\n\n" + ROSTER + BODY).encode(),
    "blank lines first, semicolons": ("\n\n" + ROSTER + BODY).replace(",", ";").encode(),
    "everything quoted": b'"email","name","status","end_date","account_id"\n"a@x.io","Ada","active","","id-a"\n',
    "padding": b" email , name ,status, end_date,account_id \n  a@x.io ,\tAda , active , ,  id-a \n",
    "capitals": b"EMAIL,Name,STATUS,End_Date,Account_ID\nA@X.io,Ada,ACTIVE,,id-a\n",
    "spaces in headers": b"e-mail,name,status,end date,account id\na@x.io,Ada,Active,,id-a\n",
    "another order": b"account_id,end_date,status,name,email\nid-a,,active,Ada,a@x.io\n",
    "columns of no concern": b"team,email,name,status,end_date,account_id,note\nx,a@x.io,Ada,active,,id-a,\n",
    "short rows": b"email,account_id,name,status,end_date\na@x.io,id-a,Ada,active\n",
    "trailing empty cells": (ROSTER + "\na@x.io,Ada,active,,id-a,,,\n").encode(),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_shape_of_a_file_does_not_matter(take: Take, connection: Database, shape: str) -> None:
    take("roster", SHAPES[shape])
    assert [(r["email"], r["name"], r["status"], r["end_date"], r["account_id"]) for r in roster(connection)] == [
        ("a@x.io", "Ada", "active", None, "id-a")
    ]


def test_quoted_newlines_are_text_and_lines_are_counted_as_editors_count_them(take: Take, connection: Database) -> None:
    take("roster", f'{ROSTER}\na@x.io,"Ada\nLovelace",active,,\nb@x.io,Bo,active,,\n')
    assert [(r["line"], r["name"]) for r in roster(connection)] == [(2, "Ada\nLovelace"), (4, "Bo")]


def test_quoted_delimiters_and_quotes_are_text(take: Take, connection: Database) -> None:
    take("roster", f'{ROSTER}\na@x.io,"Lovelace, ""Ada""; Countess",active,,\n')
    assert roster(connection)[0]["name"] == 'Lovelace, "Ada"; Countess'


@pytest.mark.parametrize(
    "name",
    [
        "=SUM(1+1)", "+1", "-1", "@cmd", '=HYPERLINK("http://x","y")', "Robert'); DROP TABLE people;--", "<b>x</b>",
        "رنا \u200fسالم", "🚀", "\\N", "\\.", "NULL", "%s %(x)s {x}", "a\\tb", "0123", "1e5",
    ],
)  # fmt: skip
def test_formulas_sql_html_and_odd_letters_stay_the_text_they_are(take: Take, connection: Database, name: str) -> None:
    quoted = name.replace('"', '""')
    take("roster", f'{ROSTER}\na@x.io,"{quoted}",active,,"{quoted}"\n')
    assert [(r["name"], r["account_id"]) for r in roster(connection)] == [(name, name)]


def test_repeated_addresses_are_fine(take: Take, connection: Database) -> None:
    take("roster", f"{ROSTER}\na@x.io,Ada,terminated,2020-01-01,\nA@X.IO ,Ada,active,,\na@x.io,Ada,active,,\n")
    assert [r["email"] for r in roster(connection)] == ["a@x.io"] * 3


def test_a_header_alone_is_an_empty_list_not_an_error(take: Take, connection: Database) -> None:
    assert "0" in take("roster", ROSTER + "\n")
    assert roster(connection) == []


def test_a_large_roster_is_taken_in_one_go(take: Take, connection: Database) -> None:
    rows = "".join(f"p{number}@x.io,Person {number},active,,id-{number}\n" for number in range(5000))
    take("roster", f"{ROSTER}\n{rows}")
    assert len(roster(connection)) == 5000


# --------------------------------------------------------------------- bad values


@pytest.mark.parametrize(("kind", "header", "row", "column", "words"), [
    ("roster", ROSTER, "a@x.io,Ada,retired,,", "status", "retired"),
    ("roster", ROSTER, "a@x.io,Ada,,,", "status", "active, on_leave, terminated"),
    ("roster", ROSTER, "a@x.io,Ada,terminated,31.03.2024,", "end_date", "31.03.2024"),
    ("roster", ROSTER, "a@x.io,Ada,terminated,2024-02-30,", "end_date", "2024-02-30"),
    ("roster", ROSTER, "a@x.io,Ada,terminated,2024-03-31T10:00,", "end_date", "YYYY-MM-DD"),
    ("roster", ROSTER, "a@x.io,Ada,active,soon,", "end_date", "soon"),
    ("roster", ROSTER, " , ,active,, ", "email", "names nobody"),
    ("classification", CLASSIFICATION, "repo,payments,production,,", "target_type", "repository, project, pattern"),
    ("classification", CLASSIFICATION, ",payments,production,,", "target_type", "known"),
    ("classification", CLASSIFICATION, "repository,payments,prod,,", "classification", "prod"),
    ("classification", CLASSIFICATION, "repository,payments,,,", "classification", "production, non_production"),
    ("classification", CLASSIFICATION, "repository,payments,production,secret,", "sensitivity", "confidential"),
    ("classification", CLASSIFICATION, "repository, ,production,,", "target", "names nothing"),
    ("mfa", MFA, "a@x.io,id-a,perhaps", "two-step verification", "perhaps"),
    ("mfa", MFA, "a@x.io,id-a,", "two-step verification", "known"),
    ("mfa", MFA, ",,Enabled", "email", "names nobody"),
])  # fmt: skip
def test_a_bad_value_is_refused_with_file_line_column_and_reason(
    take: Take, connection: Database, kind: str, header: str, row: str, column: str, words: str
) -> None:
    good = {
        "roster": 'g@x.io,"Two\nlines",active,,',
        "classification": 'repository,fine,production,,"two\nlines"',
        "mfa": '"g@x.io\n",id-g,Enabled',
    }[kind]
    problems = refused(take, connection, kind, f"{header}\n{good}\n{row}\n{good}\n")
    assert len(problems) == 1
    assert problems[0].startswith(f"declared.csv: line 4: column {column}: ")
    assert words in problems[0]


def test_every_bad_value_is_named_not_only_the_first(take: Take, connection: Database) -> None:
    problems = refused(take, connection, "roster", f"{ROSTER}\n,,gone,then,\na@x.io,,active,,\nb@x.io,,away,,\n")
    assert [problem.split(": ")[1:3] for problem in problems] == [
        ["line 2", "column status"],
        ["line 2", "column end_date"],
        ["line 2", "column email"],
        ["line 4", "column status"],
    ]


def test_a_file_full_of_bad_values_does_not_flood_the_log(take: Take, connection: Database) -> None:
    rows = "x@x.io,X,bad,,\n" * 3000
    with pytest.raises(ImportRefused, match="3000 bad values") as error:
        take("roster", f"{ROSTER}\n{rows}")
    connection.rollback()
    assert 0 < len(list(problem_lines(error.value))) <= 100


def test_a_refused_file_leaves_what_was_in_force(take: Take, connection: Database) -> None:
    take("roster", f"{ROSTER}\na@x.io,Ada,active,,\n")
    before = roster(connection)
    refused(take, connection, "roster", f"{ROSTER}\nb@x.io,Bo,active,,\nc@x.io,Cy,nowhere,,\n")
    assert roster(connection) == before


@pytest.mark.parametrize(("kind", "header", "missing"), [
    ("roster", "email,name,end_date,account_id", "status"), ("roster", "mail,name,status,end_date", "account_id"),
    ("classification", "target_type,target,sensitivity,owner", "classification"),
    ("classification", "target_type,target,classification,owner", "sensitivity"),
    ("mfa", "Email,Atlassian ID,Name", "mfa_enabled"), ("mfa", "Name,Two-step verification", "email"),
])  # fmt: skip
def test_a_missing_column_is_named(take: Take, connection: Database, kind: str, header: str, missing: str) -> None:
    problem = "".join(refused(take, connection, kind, f"{header}\nx\n"))
    assert missing in problem
    assert "line 1" in problem


@pytest.mark.parametrize("content", [b"", BOM, b"\n\n", b" \r\n\t\r\n", b",,,\n"])
def test_an_empty_file_is_refused(take: Take, connection: Database, content: bytes) -> None:
    assert "empty" in "".join(refused(take, connection, "roster", content))


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_file_that_is_not_utf8_is_refused(take: Take, connection: Database, encoding: str) -> None:
    content = f"{ROSTER}\na@x.io,Ada,active,,\nz@x.io,Zoë,active,,\n".encode(encoding)
    problem = "".join(refused(take, connection, "roster", content))
    assert "UTF-8" in problem
    assert ("line 3" if encoding == "latin-1" else "line 1") in problem


@pytest.mark.parametrize("content", [
    f'{ROSTER}\na@x.io,"Ada,active,,\n', f'{ROSTER}\na@x.io,"Ada"x,active,,\n', f"{ROSTER}\na@x.io,A\x00da,active,,\n",
    f"{ROSTER}\na@x.io,Ada,active,,id,one,too,many\n",
])  # fmt: skip
def test_what_is_no_csv_is_refused(take: Take, connection: Database, content: str) -> None:
    assert refused(take, connection, "roster", content)


def test_a_file_that_is_not_there_is_refused_by_name(connection: Database, tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match=r"nowhere\.csv"):
        import_file(connection, "roster", tmp_path / "nowhere.csv", imported_by="os:tester")
    with pytest.raises(ImportRefused, match=tmp_path.name):
        import_file(connection, "roster", tmp_path, imported_by="os:tester")


def test_an_unknown_kind_is_refused_with_those_that_are_known(take: Take) -> None:
    with pytest.raises(ImportRefused, match="roster, classification, mfa"):
        take("holidays", ROSTER)


# ------------------------------------------------------------------------ roster


def test_a_roster_replaces_the_one_before_as_a_whole(take: Take, connection: Database) -> None:
    take("roster", f"{ROSTER}\na@x.io,Ada,active,,\nb@x.io,Bo,active,,\n")
    take("roster", f"{ROSTER}\nb@x.io,Bo,terminated,,\n")
    assert [(r["email"], r["status"]) for r in roster(connection)] == [("b@x.io", "terminated")]


def test_the_same_roster_again_is_as_fresh_as_its_last_import(take: Take, connection: Database) -> None:
    text = f"{ROSTER}\na@x.io,Ada,active,,\n"
    take("roster", text)
    with unguarded(connection):
        connection.execute("UPDATE registry.imports SET imported_at = imported_at - interval '30 days'")
    take("roster", text)
    assert datetime.now(UTC) - roster(connection)[0]["imported_at"] < timedelta(minutes=1)
    assert len(roster(connection)) == 1


# ---------------------------------------------------------------- classification


def test_targets_are_compared_without_case_and_uuids_stand_in_braces(take: Take, connection: Database) -> None:
    take(
        "classification",
        f"{CLASSIFICATION},workspace\n"
        "Repository, PayMents ,PRODUCTION,Internal,Team A,\n"
        f"repository,{UUID.upper()},production,,,\n"
        f"repository,{{{UUID[:-1]}9}},production,,,ACME\n"
        "PROJECT,Core,Non_Production,,,\n"
        "pattern,Legacy-*,non_production,,,\n",
    )
    rows = [(r["target_type"], r["target"], r["classification"], r["workspace"]) for r in classification(connection)]
    assert rows == [
        ("repository", "payments", "production", None),
        ("repository", f"{{{UUID}}}", "production", None),
        ("repository", f"{{{UUID[:-1]}9}}", "production", "acme"),
        ("project", "core", "non_production", None),
        ("pattern", "legacy-*", "non_production", None),
    ]
    assert classification(connection)[0]["sensitivity"] == "internal"
    assert classification(connection)[0]["owner"] == "Team A"


def test_targets_that_nobody_synced_yet_are_fine(take: Take, connection: Database) -> None:
    take("classification", f"{CLASSIFICATION}\nrepository,not-there-yet,production,,\n")
    assert len(classification(connection)) == 1


def test_history_is_kept_and_only_changes_are_added(take: Take, connection: Database) -> None:
    take("classification", f"{CLASSIFICATION}\nrepository,a,production,,\nrepository,b,production,public,x\n")
    said = take(
        "classification", f"{CLASSIFICATION}\nrepository,a,non_production,,\nrepository,B,PRODUCTION,public,x\n"
    )
    rows = [(r["target"], r["classification"]) for r in classification(connection)]
    assert rows == [("a", "production"), ("b", "production"), ("a", "non_production")]
    assert "2 entries, 1 of them new or changed" in said
    in_force = connection.execute("SELECT target, classification FROM registry.classification_in_force").fetchall()
    assert {row["target"]: row["classification"] for row in in_force} == {"a": "non_production", "b": "production"}


def test_the_same_file_again_adds_nothing(take: Take, connection: Database) -> None:
    text = f"{CLASSIFICATION}\nrepository,a,production,,owner\nproject,CORE,production,,\n"
    take("classification", text)
    before = classification(connection)
    assert "0 of them new or changed" in take("classification", text)
    assert classification(connection) == before


@pytest.mark.parametrize("changed", ["production,internal,x", "production,public,y", "production,,x"])
def test_a_changed_sensitivity_or_owner_is_a_change(take: Take, connection: Database, changed: str) -> None:
    take("classification", f"{CLASSIFICATION}\nrepository,a,production,public,x\n")
    take("classification", f"{CLASSIFICATION}\nrepository,a,{changed}\n")
    assert len(classification(connection)) == 2


def test_entries_that_a_later_file_leaves_out_stay_in_force(take: Take, connection: Database) -> None:
    take("classification", f"{CLASSIFICATION}\nrepository,a,production,,\n")
    take("classification", f"{CLASSIFICATION}\nrepository,b,production,,\n")
    assert {row["target"] for row in classification(connection)} == {"a", "b"}


def test_of_a_target_named_twice_in_one_file_the_last_row_counts(take: Take, connection: Database) -> None:
    take("classification", f"{CLASSIFICATION}\nrepository,a,production,,\nrepository,A,non_production,,\n")
    in_force = connection.execute("SELECT classification FROM registry.classification_in_force").fetchall()
    assert [row["classification"] for row in in_force] == ["non_production"]


def test_one_target_in_two_workspaces_is_two_entries(take: Take, connection: Database) -> None:
    take(
        "classification",
        f"workspace,{CLASSIFICATION}\none,repository,a,production,,\ntwo,repository,a,non_production,,\n,repository,a,production,,\n",
    )
    assert count(connection, "classification") == 3


# --------------------------------------------------------------------------- MFA


def test_an_export_is_accepted_evidence_of_the_operator_who_ran_it(take: Take, connection: Database) -> None:
    day = datetime.now(UTC).date() - timedelta(days=3)
    take("mfa", f"{MFA}\nA@x.io,id-a,Enabled\n,id-b,Disabled\nc@x.io,,Enabled\n", captured_on=day)
    row = connection.execute("SELECT * FROM registry.evidence_states").fetchone()
    assert row is not None
    assert (row["test_id"], row["scope"], row["status"], row["captured_on"]) == (
        "user_mfa_enabled",
        "members",
        "accepted",
        day,
    )
    assert (row["submitted_by"], row["decided_by"], row["file_name"]) == ("os:tester", "os:tester", "declared.csv")
    assert covered(connection) == [("a@x.io", "id-a", True), (None, "id-b", False), ("c@x.io", None, True)]


# As Atlassian's documentation names the columns of its exports, and as people rename them.
@pytest.mark.parametrize("header", [
    "Email,Atlassian ID,Two-step verification", "Email,Atlassian ID,Two-step verification enabled",
    "email,account_id,mfa_enabled", "E-mail,Account ID,Two-Step Verification", "Email address,User ID,2SV",
    "EMAIL,ATLASSIAN ID,TWO-STEP VERIFICATION", "email,atlassian_account_id,two_step_verification",
    "Email,Account id,2FA enabled",
])  # fmt: skip
def test_columns_are_found_by_the_names_atlassian_and_people_give_them(
    take: Take, connection: Database, header: str
) -> None:
    take("mfa", f"{header}\na@x.io,id-a,Enabled\n")
    assert covered(connection) == [("a@x.io", "id-a", True)]


# support.atlassian.com, "Export managed accounts" and "Export accounts from domains": the first lists no Atlassian ID,
# the second no e-mail address. Either names everybody.
@pytest.mark.parametrize(("text", "expected"), [
    (
        "Name,Email,Last active,Status,Billable,Policy name,Policy type,SAML single sign-on,Two-step verification\n"
        "Ada,a@x.io,2026-01-01,Active,Yes,Default,billable,No,Enabled\n",
        ("a@x.io", None, True),
    ),
    (
        "Name,Atlassian ID,Status,Last active,Claimed,Billable,SAML single sign-on,"
        "Two-step verification,Verified email\n"
        "Ada,id-a,Active,2026-01-01,Yes,Yes,No,Disabled,Yes\n",
        (None, "id-a", False),
    ),
])  # fmt: skip
def test_the_documented_exports_of_atlassian_are_taken_as_they_are(
    take: Take, connection: Database, text: str, expected: tuple[str | None, str | None, bool]
) -> None:
    take("mfa", text)
    assert covered(connection) == [expected]


@pytest.mark.parametrize(("value", "on"), [
    ("Enabled", True), ("ENABLED", True), (" enabled ", True), ("Yes", True), ("TRUE", True), ("on", True), ("1", True),
    ("Disabled", False), ("No", False), ("false", False), ("Off", False), ("0", False), ("Not enabled", False),
])  # fmt: skip
def test_on_and_off_may_be_said_in_several_words(take: Take, connection: Database, value: str, on: bool) -> None:
    take("mfa", f"{MFA}\na@x.io,id-a,{value}\n")
    assert covered(connection) == [("a@x.io", "id-a", on)]


def test_without_a_day_of_capture_it_is_today(take: Take, connection: Database) -> None:
    take("mfa", f"{MFA}\na@x.io,id-a,Enabled\n")
    row = connection.execute("SELECT captured_on FROM registry.evidence").fetchone()
    assert row is not None
    assert row["captured_on"] == datetime.now(UTC).date()


def test_the_same_file_again_is_no_newer_evidence(take: Take, connection: Database) -> None:
    text = f"{MFA}\na@x.io,id-a,Enabled\n"
    day = datetime.now(UTC).date() - timedelta(days=40)
    take("mfa", text, captured_on=day)
    said = take("mfa", text, name="renamed.csv")
    take("mfa", text, captured_on=day)
    rows = connection.execute("SELECT captured_on FROM registry.evidence").fetchall()
    assert [row["captured_on"] for row in rows] == [day]
    assert "nothing new" in said


def test_a_newer_export_is_new_evidence_beside_the_old(take: Take, connection: Database) -> None:
    take("mfa", f"{MFA}\na@x.io,id-a,Enabled\n", captured_on=datetime.now(UTC).date() - timedelta(days=2))
    take("mfa", f"{MFA}\na@x.io,id-a,Disabled\n")
    assert count(connection, "evidence") == 2


def test_a_day_of_capture_in_the_future_is_refused(take: Take, connection: Database) -> None:
    day = datetime.now(UTC).date() + timedelta(days=2)
    problems = refused(take, connection, "mfa", f"{MFA}\na@x.io,id-a,Enabled\n", captured_on=day)
    assert "future" in problems[0]
    assert str(day) in problems[0]


def test_today_is_a_day_of_the_policys_time_zone(
    take: Take, connection: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Somewhere it is always another day than in UTC: before noon there, after ten here.
    zone = "Pacific/Kiritimati" if datetime.now(UTC).hour >= 10 else "Etc/GMT+12"
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"thresholds: {{time_zone: {zone}}}")
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(policy))
    take("mfa", f"{MFA}\na@x.io,id-a,Enabled\n")
    row = connection.execute("SELECT captured_on FROM registry.evidence").fetchone()
    assert row is not None
    assert row["captured_on"] == datetime.now(ZoneInfo(zone)).date()


def test_an_account_listed_twice_keeps_both_rows(take: Take, connection: Database) -> None:
    take("mfa", f"{MFA}\na@x.io,id-a,Enabled\nA@X.IO,id-a,Disabled\n")
    assert covered(connection) == [("a@x.io", "id-a", True), ("a@x.io", "id-a", False)]
