"""Uploading rosters, classifications and exports: a preview first, and nothing is written before it is confirmed."""

from __future__ import annotations

import io
import re
import secrets
import zipfile
from html import unescape
from pathlib import Path

import pytest
from httpx import Response
from openpyxl import Workbook

from bitbucket_compliance.registry.imports import import_file
from tests.conftest import Database
from tests.console.conftest import Console, OpenConsole
from tests.console.world import HOSTILE, Published, identity, message, problem

TABLES = (
    "registry.imports", "registry.people", "registry.refused_rows", "registry.classification", "registry.evidence",
    "registry.evidence_members", "registry.roster_mappings", "integration.console_audit",
)  # fmt: skip
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')
STAFF = "".join(f"p{number}@x.io,active,\n" for number in range(30))
ROSTER = f"email,status,name\n{STAFF}"
CLASSIFICATION = "target_type,target,classification,sensitivity,owner\n"
MFA = "Email,Two-step verification\nann@x.io,Enabled\n"
OF_KIND: dict[str, dict[str, str]] = {
    "roster": {"roster_name": "main", "mapping": "default"},
    "classification": {},
    "mfa": {"captured_on": "2026-03-31"},
}


@pytest.fixture(autouse=True)
def published(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Published:
    monkeypatch.setenv("COMPLIANCE_EVIDENCE_URL", (tmp_path / "store").as_uri())
    return Published(database)


@pytest.fixture
def ada(open_console: OpenConsole) -> Console:
    return open_console("op", "ada")


def show(console: Console, kind: str, content: str | bytes, name: str = "people.csv", **stated: str) -> Response:
    """The preview of an upload."""
    raw = content.encode() if isinstance(content, str) else content
    fields = {"kind": kind, **OF_KIND[kind], **stated}
    return console.submit("/imports/preview", fields, on=f"/imports/new?kind={kind}", files={"file": (name, raw)})


def carried(page: Response) -> dict[str, str]:
    """What the form of a preview sends."""
    return {name: unescape(value) for name, value in HIDDEN.findall(page.text)}


def confirm(console: Console, page: Response, **changed: str) -> Response:
    return console.post("/imports", data={**carried(page), **changed}, follow_redirects=False)


def counted(database: Database) -> dict[str, int]:
    return {name: database.execute(f"SELECT count(*) AS n FROM {name}").fetchone()["n"] for name in TABLES}  # type: ignore[arg-type,index]  # noqa: S608


def workbook(*rows: tuple[str, ...]) -> bytes:
    book = Workbook()
    assert book.active is not None
    for cells in rows:
        book.active.append(cells)
    held = io.BytesIO()
    book.save(held)
    return held.getvalue()


def text_of(page: Response) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text.partition("<h1>")[2])).split())


@pytest.mark.parametrize(("kind", "content"), [
    ("roster", f"{ROSTER}x@x.io,gone fishing,\n"),
    ("classification", f"{CLASSIFICATION}repository,pay,production,,\n"),
    ("mfa", MFA),
])  # fmt: skip
def test_a_preview_writes_nothing_and_confirming_it_writes_what_was_shown(
    ada: Console, database: Database, tmp_path: Path, kind: str, content: str
) -> None:
    before = counted(database)
    seen = show(ada, kind, content)
    assert seen.status_code == 200, seen.text
    assert "Nothing was written yet" in seen.text
    assert counted(database) == before and not (tmp_path / "store").exists()
    done = confirm(ada, seen)
    assert done.status_code == 303
    after = counted(database)
    assert after["integration.console_audit"] == before["integration.console_audit"] + 1
    assert after["registry.evidence" if kind == "mfa" else "registry.imports"] == 1


def test_a_roster_is_shown_with_columns_rows_matches_and_refusals_with_line_and_reason(
    ada: Console, published: Published, database: Database
) -> None:
    published.member("Ann", account_id="id-1")
    published.member("Bo")
    published._put(
        "staging.member_emails", workspace="acme", email="bo@x.io", member_id=identity("Bo"), data_as_of="now"
    )
    people = f"Work Email,Employment Status,Nickname\n{STAFF}bo@x.io,active,b\ncy@x.io,{HOSTILE},c\n"
    told = text_of(show(ada, "roster", people, name=f"{HOSTILE}.csv".replace("/", "")))
    assert "32 rows" in told and "31 would be taken" in told and "1 can't be used" in told
    assert "1 of 2 members are named" in told
    assert "Work Email" in told and "not in the file" in told
    assert re.search(r"\b33 Employment Status '<script>alert\(1\)</script>' is unknown", told)


def test_what_stands_in_a_file_is_text_on_its_page(ada: Console) -> None:
    seen = show(ada, "roster", f"email,status\n{STAFF.replace(',active,', ',active')}x@x.io,{HOSTILE}\n")
    assert seen.status_code == 200
    assert HOSTILE not in seen.text


def test_who_confirmed_which_file_is_kept_and_audited(ada: Console, database: Database) -> None:
    done = confirm(ada, show(ada, "roster", ROSTER, roster_name="Contractors", mapping="okta"))
    row = database.execute("SELECT * FROM registry.import_states").fetchone()
    assert row is not None
    assert (row["imported_by"], row["roster_name"], row["mapping"], row["file_name"], row["row_count"]) == (
        "airflow:ada", "contractors", "okta", "people.csv", 30,
    )  # fmt: skip
    assert "Imported: 30 people of the roster contractors" in message(ada.get(f"/imports/{row['import_id']}"))
    assert done.headers["location"].endswith(f"imports/{row['import_id']}")
    assert "import.made" in ada.get("/audit").text


def test_a_workbook_is_read_as_the_command_line_reads_it(ada: Console, database: Database, tmp_path: Path) -> None:
    content = workbook(("Report of staff",), ("Email", "Status"), *((f"w{n}@x.io", "active") for n in range(5)))
    told = text_of(show(ada, "roster", content, name="staff.xlsx"))
    assert "5 rows" in told and "5 would be taken" in told
    path = tmp_path / "staff.xlsx"
    path.write_bytes(content)
    seen = import_file(database, "roster", path, imported_by="os:ada", preview=True)
    assert (seen.rows, seen.taken) == (5, 5)


@pytest.mark.parametrize(("kind", "content", "why"), [
    ("roster", "", "is empty"),
    ("roster", "name,colour\nAda,red\n", "missing column status"),
    ("roster", "email,status\na@x.io,gone fishing\n", "'gone fishing' is unknown"),
    ("classification", f"{CLASSIFICATION}repository,pay,secret,,\n", "'secret' is unknown"),
    ("mfa", "Name,Colour\nAda,red\n", "missing column email or account_id"),
])  # fmt: skip
def test_what_cannot_be_taken_is_refused_with_its_reason_and_the_form_is_still_there(
    ada: Console, database: Database, kind: str, content: str, why: str
) -> None:
    before = counted(database)
    seen = show(ada, kind, content)
    assert seen.status_code == 422
    assert why in problem(seen)
    assert 'type="file"' in seen.text
    assert counted(database) == before


def test_every_bad_line_of_a_refused_file_is_listed(ada: Console) -> None:
    rows = "repository,pay,secret,,\nrepository,,production,,\n"
    seen = show(ada, "classification", CLASSIFICATION + rows, name="kinds.csv")
    listed = unescape(seen.text.partition('id="problems"')[2].partition("</ul>")[0])
    assert "line 2: column classification" in listed and "line 3: column target" in listed


@pytest.mark.parametrize(("stated", "why"), [
    ({"mapping": "/etc/passwd.yaml"}, "there is no mapping"),
    ({"roster_name": "no such name!"}, "is no name of a roster"),
])  # fmt: skip
def test_what_is_stated_of_a_roster_is_checked(ada: Console, stated: dict[str, str], why: str) -> None:
    assert why in problem(show(ada, "roster", ROSTER, **stated))


@pytest.mark.parametrize(("day", "why"), [("", "is missing"), ("soon", "is no date"), ("2999-01-01", "in the future")])
def test_an_export_needs_the_day_it_was_made(ada: Console, day: str, why: str) -> None:
    assert why in problem(show(ada, "mfa", MFA, captured_on=day))


@pytest.mark.parametrize("kind", ["roster", "nonsense"])
def test_without_a_file_the_form_comes_back(ada: Console, kind: str) -> None:
    refused = ada.submit("/imports/preview", {"kind": kind}, on="/imports/new")
    assert refused.status_code == 422
    assert "no file was chosen" in problem(refused)


def test_a_roster_that_lost_many_is_confirmed_by_a_tick(ada: Console, database: Database) -> None:
    confirm(ada, show(ada, "roster", ROSTER))
    seen = show(ada, "roster", "email,status\na@x.io,active\n")
    assert seen.status_code == 200
    assert "It names 1 people, the roster before 30: more than 10% are missing" in text_of(seen)
    refused = confirm(ada, seen)
    assert refused.status_code == 422
    assert "the roster before 30" in problem(refused)
    assert confirm(ada, seen, may_shrink="yes").status_code == 303
    assert [row["row_count"] for row in database.execute("SELECT row_count FROM registry.imports ORDER BY 1")] == [
        1,
        30,
    ]


@pytest.mark.parametrize("changed", [
    {"kind": "classification"}, {"name": "other.csv"}, {"roster_name": "other"}, {"mapping": "okta"},
    {"packed": "eJwDAAAAAAE="}, {"signature": "0" * 64},
])  # fmt: skip
def test_what_is_confirmed_is_what_was_shown(ada: Console, database: Database, changed: dict[str, str]) -> None:
    before = counted(database)
    refused = confirm(ada, show(ada, "roster", ROSTER), **changed)
    assert refused.status_code == 422
    assert "this is not the file that was shown" in problem(refused)
    assert counted(database) == before


def test_a_preview_of_somebody_else_can_not_be_confirmed(ada: Console, open_console: OpenConsole) -> None:
    seen = show(ada, "roster", ROSTER)
    bo = open_console("op", "bo")
    refused = confirm(bo, seen, csrf_token=bo.token("/imports/new"))
    assert "this is not the file that was shown" in problem(refused)


def test_a_file_of_ten_megabytes_comes_through_and_no_larger_one(ada: Console, database: Database) -> None:
    """A workbook with a picture in it, which can't be packed smaller."""
    content = workbook(("Email", "Status"), ("w@x.io", "active"))
    held = io.BytesIO(content)
    with zipfile.ZipFile(held, "a") as archive:
        archive.writestr("xl/media/picture.png", secrets.token_bytes(10 * 1024 * 1024 - len(content) - 2000))
    assert 10_000_000 < len(held.getvalue()) <= 10 * 1024 * 1024
    assert confirm(ada, show(ada, "roster", held.getvalue(), name="big.xlsx")).status_code == 303
    assert counted(database)["registry.people"] == 1
    assert "is larger than 10 MB" in problem(show(ada, "roster", b"a" * (10 * 1024 * 1024 + 1)))


def test_an_export_becomes_evidence_that_somebody_else_accepts(
    ada: Console, open_console: OpenConsole, database: Database
) -> None:
    """Whatever the policy lets an operator of the command line do."""
    done = confirm(ada, show(ada, "mfa", MFA, name="members.csv"))
    row = database.execute("SELECT * FROM registry.evidence_states").fetchone()
    assert row is not None
    assert (row["status"], row["submitted_by"], str(row["captured_on"])) == ("submitted", "airflow:ada", "2026-03-31")
    path = f"/evidence/{row['evidence_id']}"
    assert done.headers["location"].endswith(path.removeprefix("/"))
    assert "somebody else has to decide" in message(ada.get(path))


def test_the_mapping_of_the_roster_in_force_is_chosen_already(ada: Console) -> None:
    confirm(ada, show(ada, "roster", ROSTER, mapping="workday"))
    assert '<option value="workday" selected>' in ada.get("/imports/new").text


def test_a_viewer_is_offered_no_upload(open_console: OpenConsole) -> None:
    viewer = open_console("viewer")
    assert "Upload a file" not in viewer.get("/imports").text
    assert viewer.get("/imports/new").status_code == 403
    assert "Upload a file" in open_console("op").get("/imports").text
