"""Tables as systems write them: presets, mappings, workbooks; a broken table is refused by its name."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitbucket_compliance.core.errors import ImportRefused, SourceWrong
from bitbucket_compliance.registry.evidence_files.exports import export_of
from bitbucket_compliance.registry.imports.classification_rows import Known, classification_entries
from bitbucket_compliance.registry.imports.mapping import load_mapping, presets
from bitbucket_compliance.registry.imports.roster import Person, read_roster
from bitbucket_compliance.registry.tables import read, workbook
from bitbucket_compliance.registry.tables.read import header_by, table

UTC = ZoneInfo("UTC")


def people(content: bytes | str, mapping: str = "") -> list[Person]:
    meant = load_mapping(mapping)
    file = table(
        "people.csv", content if isinstance(content, bytes) else content.encode(), header_by(meant.header_rule)
    )
    roster = read_roster(file, meant, UTC)
    roster.refuse_if_bad(0, strict=True)
    return roster.people


def seen(found: list[Person]) -> list[tuple[list[str], str, date | None]]:
    """(addresses, status, last day) of each."""
    return [([*filter(None, [one.email]), *one.other_emails], one.status, one.end_date) for one in found]


# The headings of these systems' public documentation; the people are ours.
PRESETS = {
    "bamboohr": (
        'Employee #,"Last name, First name",Work Email,Status,Employment Status,Termination Date\n'
        '7,"Roe, Ada",Ada@x.io,Active,Full-Time,\n8,"Doe, Bo",bo@x.io,Inactive,Terminated,2026-10-31\n'
    ),
    "workday": (
        "Worker,Email - Work,Worker Status,Termination Date\nAda,ada@x.io,On Leave,\nBo,bo@x.io,Retired,2026-10-31\n"
    ),
    "personio": "Name,Email,Status,Termination date\nAda,ada@x.io,onboarding,\nBo,bo@x.io,inactive,31.10.2026\n",
    "google_workspace": (
        "First Name [Required],Last Name [Required],Email Address [Required],Status [READ ONLY]\n"
        "Ada,Roe,ada@x.io,Active\nBo,Doe,bo@x.io,Suspended\n"
    ),
    "okta": "login,email,displayName,status\nada@x.io,ada@x.io,Ada,LOCKED_OUT\nbo@x.io,bo@x.io,Bo,DEPROVISIONED\n",
    "entra_id": (
        "userPrincipalName,displayName,mail,accountEnabled,employeeLeaveDateTime\n"
        "ada@x.io,Ada,,True,\nbo@x.io,Bo,bo@x.io,False,2026-10-31T00:00:00Z\n"
    ),
    "scim": "userName,displayName,active\nada@x.io,Ada,true\nbo@x.io,Bo,false\n",
}


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_reads_what_its_system_writes(preset: str) -> None:
    ada, bo = seen(people(PRESETS[preset], preset))
    assert (ada[0], bo[0]) == (["ada@x.io"], ["bo@x.io"])
    assert ada[1] in ("active", "on_leave") and bo[1] == "terminated"
    assert bo[2] in (None, date(2026, 10, 31))


def test_every_preset_has_a_fixture() -> None:
    assert set(presets()) == {*PRESETS, "default"}


def test_a_mapping_of_ones_own_takes_the_place_of_what_it_names(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text(
        "columns: {status: Zustand, end_date: [Austritt], email: [Dienstadresse]}\n"
        "statuses: {active: [aktiv], terminated: [ausgetreten]}\n"
        "date_format: DD.MM.YYYY\ntime_zone: Europe/Berlin\n"
    )
    text = "Dienstadresse;Zustand;Austritt;Status\na@x.io;ausgetreten;03.04.2026;active\nb@x.io;aktiv;;terminated\n"
    assert seen(people(text, str(path))) == [
        (["a@x.io"], "terminated", date(2026, 4, 3)),
        (["b@x.io"], "active", None),
    ]


@pytest.mark.parametrize(("text", "named"), [
    ("[]", "must hold keys"), ("colums: {}", "colums: unknown key"), ("columns: {mail: x}", "columns.mail"),
    ("columns: {email: [1]}", "columns.email"), ("statuses: {gone: [x]}", "statuses.gone"),
    ("date_format: YYYY", "date_format"), ("time_zone: Mars/Base", "time_zone"), ("a: b: c", "no YAML"),
    ("statuses: [x]", "statuses: must hold keys"),
])  # fmt: skip
def test_a_mapping_that_can_not_be_used_names_its_key(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text(text)
    with pytest.raises(SourceWrong, match=named.replace(".", r"\.")):
        load_mapping(str(path))


def test_an_unknown_mapping_is_told_with_those_that_are_known() -> None:
    with pytest.raises(SourceWrong, match="bamboohr, default, entra_id"):
        load_mapping("peoplesoft")
    with pytest.raises(SourceWrong, match="can't be read"):
        load_mapping("/nowhere/ours.yaml")


# ------------------------------------------------------------------------------------------------ workbooks


def book(*sheets: list[list[object]], hidden: tuple[int, ...] = ()) -> bytes:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for number, rows in enumerate(sheets):
        sheet = made.create_sheet(f"Sheet {number}")
        for row in rows:
            sheet.append(row)
        if number in hidden:
            sheet.sheet_state = "hidden"
    content = io.BytesIO()
    made.save(content)
    return content.getvalue()


STAFF: list[list[object]] = [
    ["Headcount"],
    [],
    ["Work Email", "Status", "Termination Date", "No"],
    ["a@x.io", "Terminated", datetime(2026, 10, 31), 7.0],
    ["b@x.io", "active", None, None],
]


def test_a_workbook_is_read_as_a_csv_of_it_would_be() -> None:
    found = people(book([["a note"]], STAFF, STAFF, hidden=(2,)))
    assert [(one.line, one.email, one.status, one.end_date) for one in found] == [
        (4, "a@x.io", "terminated", date(2026, 10, 31)),
        (5, "b@x.io", "active", None),
    ]


def test_several_sheets_that_could_be_meant_are_refused_by_their_names() -> None:
    with pytest.raises(ImportRefused, match="'Sheet 0', 'Sheet 1'"):
        people(book(STAFF, STAFF))


@pytest.mark.parametrize("content", [
    b"PK\x03\x04", b"PK\x03\x04" + b"x" * 100, book(STAFF)[:-40], book([]), book([["email", "status"]]),
])  # fmt: skip
def test_a_broken_or_empty_workbook_is_refused(content: bytes) -> None:
    with pytest.raises(ImportRefused, match=r"people\.csv was refused"):
        people(content)


def test_a_workbook_that_unpacks_to_very_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "MOST_UNPACKED", 1000)
    with pytest.raises(ImportRefused, match="once it is unpacked"):
        people(book(STAFF))


def test_an_archive_that_is_no_workbook_is_refused() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("people.csv", "email,status\n")
    with pytest.raises(ImportRefused, match="no Excel workbook"):
        people(content.getvalue())


def test_an_export_may_be_a_workbook() -> None:
    rows: list[list[object]] = [["Email", "Two-step verification"], ["a@x.io", "Enabled"], ["b@x.io", None]]
    export = export_of("e.xlsx", book(rows))
    assert [(row.line, row.email, row.two_step) for row in export.people] == [
        (2, "a@x.io", "on"),
        (3, "b@x.io", "unclear"),
    ]


# ------------------------------------------------------------------------------------------ broken tables

CELLS = st.one_of(
    st.sampled_from([
        "email", "status", "Status", "end_date", "account_id", "name", "target", "target_type", "classification",
        "owner", "sensitivity", "Two-step verification", "a@x.io", "A@x.io; b@x.io", "active", "terminated", "Inactive",
        "N/A", "2026-10-31", "31.10.2026", "01/02/2026", "repository", "production", "non_production", "yes", "no", "",
    ]),
    st.text(max_size=12),
)  # fmt: skip
LINES = st.lists(st.lists(CELLS, max_size=7), max_size=7)
READERS: dict[str, Callable[[bytes], Any]] = {
    "roster": lambda content: people(content),
    "classification": lambda content: classification_entries(table("c.csv", content), Known()),
    "mfa": lambda content: export_of("e.csv", content),
}


@pytest.mark.parametrize("kind", READERS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(lines=LINES, mark=st.sampled_from(",;\t|"), end=st.sampled_from(["\n", "\r\n", "\r"]), cut=st.integers(0, 400))
def test_a_broken_table_is_read_or_refused_by_its_name(
    kind: str, lines: list[list[str]], mark: str, end: str, cut: int
) -> None:
    content = end.join(mark.join(cells) for cells in lines).encode("utf-8", "surrogatepass")
    for broken in (content, content[:cut], content[cut:], content.replace(b"a", b"\xe4")):
        try:
            READERS[kind](broken)
        except ImportRefused as refused:
            assert "was refused, nothing of it was taken" in str(refused)


@settings(max_examples=100, deadline=None)
@given(statuses=st.lists(st.sampled_from(["active", "terminated", "on_leave", "gone", ""]), min_size=1, max_size=6))
def test_nobody_is_judged_from_a_row_that_was_refused(statuses: list[str]) -> None:
    text = "email,status\n" + "".join(f"p{number}@x.io,{status}\n" for number, status in enumerate(statuses))
    try:
        found = people(text)
    except ImportRefused:
        assert set(statuses) & {"gone", ""}
    else:
        assert [one.status for one in found] == statuses


def test_the_limit_of_columns_holds_for_csv() -> None:
    with pytest.raises(ImportRefused, match="columns; 500 are the most"):
        table("wide.csv", b"," * (read.MOST_COLUMNS + 1) + b"\n")
