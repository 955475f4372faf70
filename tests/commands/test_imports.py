"""`import`: what it refuses before anything starts, and what it prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from bitbucket_compliance import __main__ as command_line
from local import __main__ as make
from local import services
from local.postgres import EmbeddedPostgres
from sandbox import demo
from tests.conftest import Database


def test_files_are_taken_and_told_in_a_fixed_order(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [f"--mfa={demo.MFA_EXPORT}", f"--classification={demo.CLASSIFICATION}", f"--roster={demo.ROSTER}"]
    assert command_line.main(["import", *arguments, "--captured-on=2026-03-31"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("imported: ")] == ["roster", "classification", "mfa"]
    [row] = database.execute("SELECT captured_on::text FROM registry.evidence").fetchall()
    assert row["captured_on"] == "2026-03-31"


def test_a_bad_row_is_told_and_nothing_of_its_file_is_taken(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("email,name,status,end_date,account_id\na@x.io,A,gone,,\n,,active,2026-99-01,\n")
    assert command_line.main(["import", f"--roster={bad}", f"--classification={demo.CLASSIFICATION}"]) == 1
    said = capsys.readouterr()
    refused = said.out.splitlines()
    assert refused and all(line.startswith("refused: bad.csv: line ") for line in refused)
    assert said.err == f"error: import refused, {len(refused)} problems; nothing of that file was taken\n"
    assert database.execute("SELECT 1 FROM registry.imports").fetchall() == []


def test_a_roster_comes_by_a_query(
    database: Database,
    other_postgres: EmbeddedPostgres,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    query = tmp_path / "people.sql"
    query.write_text("SELECT 'a@x.io' AS email, 'A' AS name, 'active' AS status, NULL AS end_date, '' AS account_id")
    monkeypatch.setenv("AIRFLOW_CONN_HR", other_postgres.uri())
    assert command_line.main(["import", "--roster-sql=hr", f"--query={query}"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("1 people")
    assert len(database.execute("SELECT 1 FROM registry.people").fetchall()) == 1


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({}, "usage: make import ROSTER=file.csv CLASSIFICATION=file.csv MFA=file.csv (at least one)"),
        ({"CAPTURED_ON": "2026-03-31"}, "usage: make import ROSTER=file.csv"),
        ({"MFA": "/no/such.csv", "ROSTER": "FILE"}, "MFA=/no/such.csv: there is no such file"),
        ({"MFA": "FILE", "CAPTURED_ON": "31.03.2026"}, "CAPTURED_ON=31.03.2026: is no date"),
        ({"MFA": "FILE", "CAPTURED_ON": "2026-02-30"}, "CAPTURED_ON=2026-02-30: is no date"),
        ({"MFA": "FILE", "CAPTURED_ON": "2999-01-01"}, "CAPTURED_ON=2999-01-01: is yet to come"),
        ({"ROSTER_SQL": "hr"}, "usage: make import ROSTER_SQL=connection QUERY=file.sql"),
        ({"QUERY": "FILE"}, "usage: make import ROSTER_SQL=connection QUERY=file.sql"),
        ({"ROSTER_SQL": "hr", "QUERY": "/no/such.sql"}, "QUERY=/no/such.sql: there is no such file"),
        ({"ROSTER_SQL": "hr", "QUERY": "FILE", "ROSTER_SCIM": "idp"}, "one roster at a time: give ROSTER, ROSTER_SQL"),
        ({"ROSTER": "FILE", "ROSTER_SCIM": "idp"}, "one roster at a time"),
    ],
)
def test_a_wrong_call_starts_nothing_and_ends_with_one_line(
    variables: dict[str, str],
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "a file.csv"
    file.touch()
    for name, value in variables.items():
        monkeypatch.setenv(name, value.replace("FILE", str(file)))
    monkeypatch.setattr(services.Services, "connections", lambda *_, **__: pytest.fail("something was started"))
    assert make.main(["import"]) == 1
    [said] = capsys.readouterr().err.splitlines()
    assert said.startswith(f"error: {line}")


ROSTER = "email,status\n" + "".join(f"p{number}@x.io,active\n" for number in range(30))


def test_what_can_not_be_used_is_told_and_listed_and_an_import_is_taken_back(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    roster = tmp_path / "people.csv"
    roster.write_text(ROSTER)
    assert command_line.main(["import", f"--roster={roster}"]) == 0
    roster.write_text(f"{ROSTER}a@x.io,gone\n")
    assert command_line.main(["import", f"--roster={roster}", "--strict"]) == 1
    assert command_line.main(["import", f"--roster={roster}"]) == 0
    said = capsys.readouterr().out
    assert "refused: people.csv: line 32: column status: 'gone' is unknown" in said
    assert command_line.main(["imports"]) == 0
    heading, newest, oldest = capsys.readouterr().out.splitlines()
    assert heading.split()[:3] == ["import", "at", "kind"]
    assert newest.split()[0] == "2" and newest.endswith("in force") and oldest.endswith("replaced")
    assert command_line.main(["imports", "--import=2"]) == 0
    said = capsys.readouterr().out
    assert "refused: 32: column status: is unknown" in said and "mapping version: " in said
    assert command_line.main(["take-back", "--import=2", "--reason=the wrong report"]) == 0
    assert "taken back: import 2; the roster main is import 1 again" in capsys.readouterr().out
    assert command_line.main(["take-back", "--import=2", "--reason=again"]) == 1
    assert "import 2 was taken back already" in capsys.readouterr().err
    assert command_line.main(["imports", "--import=9"]) == 1
    assert "there is no import 9" in capsys.readouterr().err


def test_a_preview_writes_nothing_and_a_roster_has_a_name(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    roster = tmp_path / "people.csv"
    roster.write_text(ROSTER)
    arguments = ["import", f"--roster={roster}", f"--classification={demo.CLASSIFICATION}", f"--mfa={demo.MFA_EXPORT}"]
    assert command_line.main([*arguments, "--preview"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in said if line.endswith("nothing was written")] == [
        "roster", "classification", "mfa",
    ]  # fmt: skip
    assert database.execute("SELECT 1 FROM registry.imports").fetchall() == []
    assert command_line.main(["import", f"--roster={roster}", "--roster-name=contractors"]) == 0
    rows = database.execute("SELECT roster_name FROM registry.rosters_in_force").fetchall()
    assert rows == [{"roster_name": "contractors"}]
