"""Whoever may trigger registry_import reads no other file by it, and acts as nobody else."""

from __future__ import annotations

import logging
import os
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from bitbucket_compliance.core.errors import ImportRefused
from bitbucket_compliance.registry.tables import read
from bitbucket_compliance.registry.tables.read import read_content
from bitbucket_compliance.tasks.registry_import import import_from
from tests.conftest import Database

SECRET = "s3cret-of-the-web-login"
ROSTER = "email,name,status,end_date,account_id"
OWNER = SimpleNamespace(triggering_user_name="owner")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of imports; beside it lies what nobody may read."""
    (tmp_path / "passwords.json").write_text(f'{{"admin": "{SECRET}"}}\n')
    made = tmp_path / "imports"
    (made / "below").mkdir(parents=True)
    monkeypatch.setenv("COMPLIANCE_IMPORT_FOLDERS", str(made))
    return made


def refusal(caplog: pytest.LogCaptureFixture, kind: str, file: str) -> str:
    """All that is said where a file is refused."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(AirflowFailException) as error:
        import_from(kind, "file", file, "", OWNER)
    return f"{error.value}\n{caplog.text}"


@pytest.mark.parametrize("kind", ["roster", "classification", "mfa"])
@pytest.mark.parametrize(
    "file",
    [
        "../passwords.json",
        "below/../../passwords.json",
        "{outside}/passwords.json",
        "link.csv",
        "linked/passwords.json",
        "circle.csv",
        "/proc/self/environ",
        "/dev/zero",
        "pipe.csv",
        ".",
        "nul\0.csv",
        "x" * 5000,
    ],
)
def test_a_file_outside_of_the_folders_is_neither_read_nor_told_of(
    folder: Path, caplog: pytest.LogCaptureFixture, kind: str, file: str
) -> None:
    (folder / "link.csv").symlink_to("../passwords.json")
    (folder / "linked").symlink_to("..")
    (folder / "circle.csv").symlink_to("circle.csv")
    os.mkfifo(folder / "pipe.csv")
    said = refusal(caplog, kind, file.format(outside=folder.parent))
    assert "COMPLIANCE_IMPORT_FOLDERS" in said and SECRET not in said
    missing = refusal(caplog, kind, "nowhere.csv")
    assert "there is no such file below the folders" in said and "there is no such file below the folders" in missing


@pytest.mark.parametrize(
    "mapping",
    ["{}", "{}/", "{}/.", "{}//", "../passwords.yaml", "below/../../passwords.yaml/.", "link.yaml", "nul\0.yaml"],
)
def test_a_mapping_outside_of_the_folders_is_neither_read_nor_told_of(
    folder: Path, caplog: pytest.LogCaptureFixture, database: Database, mapping: str
) -> None:
    elsewhere = folder.parent / "passwords.yaml"
    elsewhere.write_text(f"{SECRET}: x\n")
    (folder / "link.yaml").symlink_to("../passwords.yaml")
    (folder / "roster.csv").write_text(f"{ROSTER}\na@example.com,A,active,,\n")
    caplog.set_level(logging.DEBUG)
    with pytest.raises(AirflowFailException) as error:
        import_from("roster", "file", "roster.csv", "", OWNER, mapping=mapping.format(elsewhere))
    said = f"{error.value}\n{caplog.text}"
    assert "there is no such file below the folders" in said and SECRET not in said


def test_without_a_folder_nothing_is_read(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPLIANCE_IMPORT_FOLDERS", "")
    assert "COMPLIANCE_IMPORT_FOLDERS is not set" in refusal(caplog, "roster", str(folder.parent / "passwords.json"))


@pytest.mark.parametrize("kind", ["roster", "classification", "mfa"])
@pytest.mark.parametrize(
    "content",
    [
        f'{{"admin": "{SECRET}"}}\n',
        f"{SECRET}\n1\n",
        f"email,{SECRET}\nx,y\n",
        f"email\n{SECRET},{SECRET}\n",
        f'email,"{SECRET}\n',
        f"x\0{SECRET}\n",
    ],
)
def test_nothing_of_a_file_that_is_not_recognised_is_quoted(
    folder: Path, caplog: pytest.LogCaptureFixture, database: Database, kind: str, content: str
) -> None:
    (folder / "declared.csv").write_text(content)
    assert SECRET not in refusal(caplog, kind, "declared.csv")


def test_a_long_cell_is_quoted_shortened(folder: Path, caplog: pytest.LogCaptureFixture, database: Database) -> None:
    (folder / "roster.csv").write_text(f"{ROSTER}\na@x.io,Ada,{'gone' * 1000},,\n")
    said = refusal(caplog, "roster", "roster.csv")
    assert "'gonegone" in said and len(said) < 3000


def test_a_file_without_end_is_read_up_to_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "LARGEST_FILE", 1024 * 1024)
    with (tmp_path / "roster.csv").open("wb") as sparse:
        sparse.truncate(1536 * 1024 * 1024)
    tracemalloc.start()
    try:
        with pytest.raises(ImportRefused, match="larger than 1 MB"):
            read_content(tmp_path / "roster.csv")
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_the_form_of_the_dag_names_no_person_path_or_connection() -> None:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(Path(__file__).parents[2] / "dags"))
    for dag_id in ("registry_import", "roster_refresh"):
        parameters = dict(bag.dags[dag_id].params)
        assert not set(parameters) & {"imported_by", "path", "conn_id", "query_file", "person", "submitted_by"}


@pytest.mark.usefixtures("store")
def test_an_export_that_a_dag_takes_waits_for_somebody_else(folder: Path, database: Database) -> None:
    (folder / "mfa.csv").write_text("Email,Two-step verification\nada@example.com,enabled\n")
    import_from("mfa", "file", "mfa.csv", "2026-03-31", OWNER)
    rows: list[Any] = database.execute("SELECT status, submitted_by FROM registry.evidence_states").fetchall()
    assert [tuple(row.values()) for row in rows] == [("submitted", "airflow:owner")]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty store of evidence files."""
    monkeypatch.setenv("COMPLIANCE_EVIDENCE_URL", (tmp_path / "store").as_uri())
