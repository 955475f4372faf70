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
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.conftest import Database
from tests.databases import copied, unguarded
from tests.harness import Pipeline
from tests.pipeline.small import small_state, whole_run

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
    "refused_rows",
    "classification",
    "import_withdrawals",
    "imports",
)
UUID = "a89ebfd7-d263-59ac-9106-5e5691c5f0c8"
WORKSPACE_ID = "{0c1f4a4e-6c5e-5d0f-8a55-0f4c6d1f7a01}"

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
        kind: str,
        content: str | bytes,
        *,
        captured_on: date | None = None,
        name: str = "declared.csv",
        may_shrink: bool = False,
        **more: Any,
    ) -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        taken = import_file(
            connection,
            kind,
            path,
            imported_by="os:tester",
            captured_on=captured_on,
            is_vouched_for=True,
            may_shrink=may_shrink,
            **more,
        )
        connection.commit()
        return str(taken)

    return write_and_take


@pytest.fixture
def repository(connection: Database) -> Iterator[str]:
    """The uuid of a repository ``payments`` that was read, of the workspace ``acme``."""
    braces = f"{{{UUID}}}"
    connection.execute("INSERT INTO staging.workspaces VALUES ('acme', %s, 'Acme', now())", (WORKSPACE_ID,))
    connection.execute(
        "INSERT INTO staging.repositories (workspace, repository_id, slug, data_as_of)"
        " VALUES ('acme', %s, 'payments', now())",
        (braces,),
    )
    connection.commit()
    yield braces
    with unguarded(connection):
        connection.execute("DELETE FROM registry.classification_bindings")
        connection.execute("DELETE FROM staging.repositories")
        connection.execute("DELETE FROM staging.workspaces")


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
        "SELECT email, account_id, two_step FROM registry.evidence_members ORDER BY evidence_id, line"
    ).fetchall()
    return [(row["email"], row["account_id"], row["two_step"] == "on") for row in rows]


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


def test_no_line_of_a_roster_of_these_days_is_deleted_not_even_by_its_owner(take: Take, connection: Database) -> None:
    take("roster", f"{ROSTER}\na@x.io,Ada,active,,id-a\n")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="kept for 400 days"):
        connection.execute("DELETE FROM registry.people")
    connection.rollback()
    assert len(roster(connection)) == 1


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
    # Of an id, characters that show nothing are no part; NULL stands for none.
    account_id = None if name == "NULL" else name.replace("\u200f", "")
    assert [(r["name"], r["account_id"]) for r in roster(connection)] == [(name, account_id)]


def test_repeated_addresses_are_fine(take: Take, connection: Database) -> None:
    take("roster", f"{ROSTER}\na@x.io,Ada,terminated,2020-01-01,\nA@X.IO ,Ada,active,,\na@x.io,Ada,active,,\n")
    assert [r["email"] for r in roster(connection)] == ["a@x.io"] * 3


@pytest.mark.parametrize("rows", ["", "\n\n", ",,,,\n , ,,,\n"])
def test_a_roster_of_nobody_is_refused_and_the_one_before_stays(take: Take, connection: Database, rows: str) -> None:
    take("roster", f"{ROSTER}\na@x.io,Ada,terminated,,\n")
    assert "nobody" in "".join(refused(take, connection, "roster", f"{ROSTER}\n{rows}"))
    assert [r["email"] for r in roster(connection)] == ["a@x.io"]


def test_a_large_roster_is_taken_in_one_go(take: Take, connection: Database) -> None:
    rows = "".join(f"p{number}@x.io,Person {number},active,,id-{number}\n" for number in range(5000))
    take("roster", f"{ROSTER}\n{rows}")
    assert len(roster(connection)) == 5000


# --------------------------------------------------------------------- bad values


@pytest.mark.parametrize(("kind", "header", "row", "column", "words"), [
    ("roster", ROSTER, "a@x.io,Ada,retired,,", "status", "retired"),
    ("roster", ROSTER, "a@x.io,Ada,,,", "status", "active, on_leave, terminated"),
    ("roster", ROSTER, "a@x.io,Ada,terminated,03.04.2024,", "end_date", "day and month can be swapped"),
    ("roster", ROSTER, "a@x.io,Ada,terminated,31.03.24,", "end_date", "31.03.24"),
    ("roster", ROSTER, "a@x.io,Ada,terminated,0026-03-31,", "end_date", "year 0026"),
    ("roster", ROSTER, "N/A,Ada,terminated,,", "email", "'N/A' is no e-mail address"),
    ("roster", ROSTER, "ada at x.io,Ada,terminated,,", "email", "no e-mail address"),
    ("roster", ROSTER, "a@x.io; bo,Ada,terminated,,", "email", "no e-mail address"),
    ("roster", ROSTER, "a@x.io,Ada,terminated,2024-02-30,", "end_date", "2024-02-30"),
    ("roster", ROSTER, "a@x.io,Ada,terminated,2024-03-31T25:00,", "end_date", "YYYY-MM-DD"),
    ("roster", ROSTER, "a@x.io,Ada,active,soon,", "end_date", "soon"),
    ("roster", ROSTER, " , ,active,, ", "email", "names nobody"),
    ("classification", CLASSIFICATION, "repo,payments,production,,", "target_type", "repository, project, pattern"),
    ("classification", CLASSIFICATION, ",payments,production,,", "target_type", "known"),
    ("classification", CLASSIFICATION, "repository,payments,prod,,", "classification", "prod"),
    ("classification", CLASSIFICATION, "repository,payments,,,", "classification", "production, non_production"),
    ("classification", CLASSIFICATION, "repository,payments,production,secret,", "sensitivity", "confidential"),
    ("classification", CLASSIFICATION, "repository, ,production,,", "target", "names nothing"),
])  # fmt: skip
def test_a_bad_value_is_refused_with_file_line_column_and_reason(
    take: Take, connection: Database, kind: str, header: str, row: str, column: str, words: str
) -> None:
    good = {
        "roster": 'g@x.io,"Two\nlines",active,,',
        "classification": 'repository,fine,production,,"two\nlines"',
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
    ("roster", "email,name,end_date,account_id", "status"), ("roster", "name,status,end_date", "email or account_id"),
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


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_the_encodings_that_spreadsheets_write_are_read(take: Take, connection: Database, encoding: str) -> None:
    take("roster", f"{ROSTER}\nz@x.io,Zoë Müller – O’Neill,active,,\n".encode(encoding))
    assert roster(connection)[0]["name"] == "Zoë Müller – O’Neill"


@pytest.mark.parametrize(
    ("name", "encoding"), [("Łukasz", "cp1250"), ("Иван", "cp1251"), ("Ада", "koi8-r"), ("山田", "shift-jis")]
)
def test_an_encoding_that_could_be_another_one_is_refused(
    take: Take, connection: Database, name: str, encoding: str
) -> None:
    content = f"{ROSTER}\na@x.io,Ada,active,,\nz@x.io,{name},active,,\n".encode(encoding)
    problem = "".join(refused(take, connection, "roster", content))
    assert "UTF-8" in problem
    assert "line 3" in problem


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


@pytest.mark.parametrize("other", ["non_production,,x", "production,public,x", "production,,y"])
def test_what_is_declared_of_one_target_in_two_ways_is_refused_and_both_lines_named(
    take: Take, connection: Database, other: str
) -> None:
    text = f"{CLASSIFICATION}\nrepository,a,production,,x\nproject,core,production,,\nrepository,A ,{other}\n"
    [problem] = refused(take, connection, "classification", text)
    assert "'a'" in problem and "line 4" in problem and "line 2" in problem


def test_the_same_entry_twice_is_one(take: Take, connection: Database) -> None:
    take("classification", f"{CLASSIFICATION}\nrepository,a,production,,x\nrepository, A,Production,,x\n")
    assert count(connection, "classification") == 1


@pytest.mark.parametrize(("target_type", "written", "workspace", "target"), [
    ("repository", "acme/payments", "acme", "payments"),
    ("repository", "https://bitbucket.org/Acme/Payments", "acme", "payments"),
    ("repository", "https://bitbucket.org/acme/payments/src/main/?at=x", "acme", "payments"),
    ("repository", "git@bitbucket.org:acme/payments.git", "acme", "payments"),
    ("project", "https://bitbucket.org/acme/workspace/projects/CORE", "acme", "core"),
    ("pattern", "acme/legacy-*", "acme", "legacy-*"),
    ("pattern", "*-test", None, "*-test"),
])  # fmt: skip
def test_a_target_may_be_written_with_its_workspace_or_as_an_address(
    take: Take, connection: Database, target_type: str, written: str, workspace: str | None, target: str
) -> None:
    take("classification", f"{CLASSIFICATION}\n{target_type},{written},production,,\n")
    assert [(r["workspace"], r["target"]) for r in classification(connection)] == [(workspace, target)]


def test_a_target_of_another_workspace_than_the_row_says_is_refused(take: Take, connection: Database) -> None:
    text = f"{CLASSIFICATION},workspace\nrepository,acme/payments,production,,,other\n"
    assert "is of workspace acme" in "".join(refused(take, connection, "classification", text))


def test_one_target_in_two_workspaces_is_two_entries(take: Take, connection: Database) -> None:
    take(
        "classification",
        f"workspace,{CLASSIFICATION}\none,repository,a,production,,\ntwo,repository,a,non_production,,\n,repository,a,production,,\n",
    )
    assert count(connection, "classification") == 3


# ------------------------------------------------------------- rosters as systems write them


def people(connection: Database) -> list[tuple[Any, ...]]:
    return [(r["email"], r["status"], r["end_date"]) for r in roster(connection)]


@pytest.mark.parametrize("header", [
    "email,status", "E-Mail,Status", "Work Email,Employment Status", "Account ID,status",
    "userPrincipalName,User status",
])  # fmt: skip
def test_a_roster_needs_an_address_or_an_id_and_a_status(take: Take, connection: Database, header: str) -> None:
    take("roster", f"{header}\na@x.io,Inactive\n")
    assert [(r["email"] or r["account_id"], r["status"]) for r in roster(connection)] == [("a@x.io", "terminated")]


@pytest.mark.parametrize(("word", "status"), [
    ("Active", "active"), ("EMPLOYED", "active"), ("On Leave", "on_leave"), ("on-leave", "on_leave"),
    ("Parental leave", "on_leave"), ("Terminated", "terminated"), ("Inactive", "terminated"), ("Left", "terminated"),
    ("deprovisioned", "terminated"),
])  # fmt: skip
def test_the_words_of_other_systems_for_a_status_are_known(
    take: Take, connection: Database, word: str, status: str
) -> None:
    take("roster", f"email,status\na@x.io,{word}\n")
    assert people(connection) == [("a@x.io", status, None)]


@pytest.mark.parametrize("written", [
    "2026-10-31", "10/31/2026", "31/10/2026", "31.10.2026", "2026/10/31", "20261031", "31-Oct-2026", "October 31, 2026",
    "2026-10-31T00:00:00Z", "2026-10-31 12:30:00", "10/31/2026 12:00 AM",
])  # fmt: skip
def test_a_day_that_can_be_read_in_one_way_is_read(take: Take, connection: Database, written: str) -> None:
    take("roster", f'Work Email,Employment Status,Termination Date\na@x.io,Terminated,"{written}"\n')
    assert people(connection) == [("a@x.io", "terminated", date(2026, 10, 31))]


@pytest.mark.parametrize("cell", ["", "-", "N/A", "null"])
def test_no_last_day_may_be_said_in_words(take: Take, connection: Database, cell: str) -> None:
    take("roster", f"email,status,end_date\na@x.io,terminated,{cell}\n")
    assert people(connection) == [("a@x.io", "terminated", None)]


@pytest.mark.parametrize(("cell", "first", "others"), [
    ("a@x.io; b@home.example", "a@x.io", ["b@home.example"]), ("Ann <A@x.io>", "a@x.io", []),
    ("Last, First <a@x.io>", "a@x.io", []), ("mailto:a@x.io", "a@x.io", []), ("a\u200b@x.io\ufeff", "a@x.io", []),
    ("a@x.io (work) | b@x.io (home)", "a@x.io", ["b@x.io"]), ("\xa0a@x.io\xa0", "a@x.io", []),
    ("a@x.io, A@X.IO", "a@x.io", []), ("a@x.io\nb@x.io", "a@x.io", ["b@x.io"]), ("a＠x.io", "a@x.io", []),
])  # fmt: skip
def test_a_cell_of_addresses_is_taken_apart(
    take: Take, connection: Database, cell: str, first: str, others: list[str]
) -> None:
    take("roster", f'email,status\n"{cell}",terminated\n')
    assert [(r["email"], r["other_emails"]) for r in roster(connection)] == [(first, others)]


def test_all_columns_of_addresses_belong_to_the_person(take: Take, connection: Database) -> None:
    take("roster", "Private email,Work email,Username,status\np@home.example,a@x.io,ada,active\n")
    assert [(r["email"], r["other_emails"]) for r in roster(connection)] == [("a@x.io", ["p@home.example"])]


def test_what_is_no_address_is_fine_beside_an_account_id(take: Take, connection: Database) -> None:
    take("roster", f"{ROSTER}\nN/A,Ada,active,,id-a\n")
    assert [(r["email"], r["account_id"]) for r in roster(connection)] == [(None, "id-a")]
    assert "no e-mail address" in "".join(refused(take, connection, "roster", f"{ROSTER}\nN/A,Ada,active,,N/A\n"))
    assert "names nobody" in "".join(refused(take, connection, "roster", f"{ROSTER}\n,,active,,N/A\n"))


@pytest.mark.parametrize("cell", ["", "-", "N/A"])
def test_people_without_an_account_id_are_not_one_person(take: Take, connection: Database, cell: str) -> None:
    said = take("roster", f"{ROSTER}\na@x.io,Ada,terminated,,{cell}\nb@x.io,Bo,active,,{cell}\n")
    assert [row["account_id"] for row in roster(connection)] == [None, None]
    assert "contradict" not in repr(said)


@pytest.mark.parametrize("second", ["status", "STATUS ", "Sta-tus"])
def test_a_heading_that_stands_twice_is_refused_with_both_places(take: Take, connection: Database, second: str) -> None:
    problem = "".join(refused(take, connection, "roster", f"email,status,name,{second}\na@x.io,terminated,A,active\n"))
    assert "'status' stands twice, in columns 2 and 4" in problem


@pytest.mark.parametrize("twice", ["target", "classification"])
def test_a_heading_of_a_classification_that_stands_twice_is_refused(
    take: Take, connection: Database, twice: str
) -> None:
    problem = "".join(
        refused(take, connection, "classification", f"{CLASSIFICATION},{twice}\nrepository,a,production,,,b\n")
    )
    assert f"'{twice}' stands twice" in problem


def test_one_repository_under_its_slug_and_its_uuid_is_one_target(
    take: Take, connection: Database, repository: str
) -> None:
    first = f"{CLASSIFICATION}\nrepository,payments,production,,\nrepository,{repository}"
    problem = "".join(refused(take, connection, "classification", f"{first},non_production,,\n"))
    assert "line 3" in problem and "stands in line 2 too" in problem
    take("classification", f"{first},production,,\n")


def test_the_workspace_of_an_entry_may_be_named_by_its_uuid(take: Take, connection: Database, repository: str) -> None:
    header = f"{CLASSIFICATION},workspace\n"
    take("classification", f"{header}repository,payments,production,,,{WORKSPACE_ID[1:-1].upper()}\n")
    rows = connection.execute("SELECT workspace FROM registry.classification_in_force").fetchall()
    assert [row["workspace"] for row in rows] == ["acme"]


def test_a_workspace_that_is_read_after_its_uuid_was_declared_is_meant(
    pipeline: Pipeline, serve: Callable[[SandboxState], SandboxServer], tmp_path: Path
) -> None:
    state = small_state(1)
    path = tmp_path / "c.csv"
    path.write_text(f"{CLASSIFICATION},workspace\nrepository,repo-0,production,,,{state.workspaces[0].uuid.upper()}\n")
    for _ in range(2):
        pipeline.take("classification", path)
        whole_run(pipeline, serve(state))
        assert pipeline.verdicts("acme")["repo_classified", "repo-0"] == ("passing", "registry", "classified")
    [row] = pipeline.query("SELECT count(*) AS entries FROM registry.classification")
    assert row["entries"] == 2


def test_two_columns_of_one_meaning_that_differ_are_refused(take: Take, connection: Database) -> None:
    problem = "".join(refused(take, connection, "roster", "email,status,Employment status\na@x.io,active,Terminated\n"))
    assert "'status' says active and 'Employment status' says terminated" in problem
    take("roster", "email,status,Employment status\na@x.io,inactive,Terminated\n")
    assert people(connection) == [("a@x.io", "terminated", None)]


def test_a_last_day_that_is_past_does_not_overrule_the_status_and_is_told(take: Take, connection: Database) -> None:
    said = take("roster", "email,status,end_date\na@x.io,active,2024-01-31\nb@x.io,active,2999-01-31\n")
    assert "people who belong here by their status though their last day is past: 1" in said
    assert said.endswith("line 2")
    assert people(connection)[0] == ("a@x.io", "active", date(2024, 1, 31))


def test_a_report_may_begin_with_lines_about_itself(take: Take, connection: Database) -> None:
    take("roster", "Headcount, all sites\nGenerated: Nov 26, 2026\n\nEmail;Name;Status\na@x.io;Ada, L.;active\n")
    assert [(r["line"], r["email"], r["name"]) for r in roster(connection)] == [(5, "a@x.io", "Ada, L.")]


@pytest.mark.parametrize("first", ["sep=;\n", '"sep=;"\r\n', "\ufeffsep=;\n"])
def test_the_separator_that_excel_is_told_is_no_heading(take: Take, connection: Database, first: str) -> None:
    take("roster", f"{first}email;name;status\na@x.io;Ada, Bo, Cy, Di, Ed;active\n")
    assert [(r["line"], r["name"]) for r in roster(connection)] == [(3, "Ada, Bo, Cy, Di, Ed")]


def test_an_instant_is_the_day_that_it_is_in_the_policys_time_zone(
    take: Take, connection: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("thresholds: {time_zone: Europe/Berlin}")
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(policy))
    take("roster", "email,status,end_date\na@x.io,terminated,2026-10-30T23:00:00Z\nb@x.io,terminated,2026-10-30\n")
    assert [r["end_date"] for r in roster(connection)] == [date(2026, 10, 31), date(2026, 10, 30)]


# ---------------------------------------------------------------------- a roster that shrinks


def names(count: int) -> str:
    return "email,status\n" + "".join(f"p{number}@x.io,active\n" for number in range(count))


@pytest.mark.parametrize(("before", "after", "fine"), [
    (50, 46, True), (50, 45, True), (50, 44, False), (50, 1, False), (4, 1, True), (5, 1, False), (50, 90, True),
])  # fmt: skip
def test_a_roster_may_not_lose_more_than_a_listing_may(
    take: Take, connection: Database, before: int, after: int, fine: bool
) -> None:
    take("roster", names(before))
    if fine:
        take("roster", names(after))
        assert len(roster(connection)) == after
    else:
        problem = "".join(refused(take, connection, "roster", names(after)))
        assert f"names {after} people, the roster before {before}" in problem and "MAY_SHRINK=1" in problem
        assert len(roster(connection)) == before


def test_a_person_may_confirm_that_a_roster_lost_many(take: Take, connection: Database) -> None:
    take("roster", names(50))
    take("roster", names(5), may_shrink=True)
    assert len(roster(connection)) == 5


# --------------------------------------------------------------------------- MFA


def said_of(connection: Database) -> list[str]:
    return [r["two_step"] for r in connection.execute("SELECT two_step FROM registry.evidence_members ORDER BY line")]


@pytest.mark.parametrize("cell", ["", "-", "N/A", "Not applicable", "perhaps", "Required", "Enforced", "Optional"])
def test_a_cell_that_says_neither_on_nor_off_refuses_nothing(take: Take, connection: Database, cell: str) -> None:
    said = take("mfa", f"{MFA}\na@x.io,id-a,Enabled\nb@x.io,id-b,{cell}\n")
    assert said_of(connection) == ["on", "unclear"]
    assert "2 people: 1 on, 1 unclear" in said


@pytest.mark.parametrize(("header", "row", "says"), [
    ("Two-step verification,Status,Two-step verification", "Yes,Active,No", "unclear"),
    ("Two-step verification,Two-step verification enabled", "Enforced,No", "off"),
    ("Two-step verification,Two-step verification enabled", "Yes,No", "unclear"),
    ("Two-step verification,Two-step verification enabled", "Yes,-", "on"),
    ("Two-step verification,Is 2FA on?", "Yes,No", "unclear"),
    ("Two-step verification,2FA reminder sent", "-,Yes", "unclear"),
    ("Status,SAML single sign-on,Two-step verification", "Deactivated,No,N/A", "deactivated"),
    ("Status,SAML single sign-on,Two-step verification", "Deactivated,No,Yes", "deactivated"),
    ("Status,SAML single sign-on,Two-step verification", "Active,Yes,Yes", "on"),
    ("Status,SAML single sign-on,Two-step verification", "Active,Yes,No", "single_sign_on"),
    ("Status,SAML single sign-on,Two-step verification", "Active,Yes,", "single_sign_on"),
    ("Status,SAML single sign-on,Two-step verification", "Active,No,No", "off"),
    ("Status,SAML single sign-on,Two-step verification", "Suspended,No,No", "off"),
])  # fmt: skip
def test_of_what_a_row_says_the_first_that_applies_counts(
    take: Take, connection: Database, header: str, row: str, says: str
) -> None:
    take("mfa", f"Email,{header}\na@x.io,{row}\n")
    assert said_of(connection) == [says]


def test_lines_that_name_nobody_are_told_and_say_nothing(take: Take, connection: Database) -> None:
    said = take("mfa", f"{MFA}\na@x.io,id-a,Enabled\n,,Enabled\nN/A,,Disabled\n")
    assert said_of(connection) == ["on"]
    assert "2 lines name nobody and say nothing: line 3, 4" in said
    assert "lists nobody" in "".join(refused(take, connection, "mfa", f"{MFA}\n,,Enabled\n"))


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
    "Email,Account id,2FA enabled", "Work email,AAID,Multi-factor authentication",
    "Email,ID,Two-factor authentication enabled",
    "Email,ID,2-Step verification enabled", "Email,ID,has_2fa_enabled", "Email,ID,Two-step verification (2SV)",
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
