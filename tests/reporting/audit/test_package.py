"""The audit package: what it holds, and that ``verify.py`` finds whatever was tampered with."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from bitbucket_compliance.core.database import connect
from bitbucket_compliance.registry.evidence.submit import submit
from bitbucket_compliance.registry.evidence_files.store import read_kept
from bitbucket_compliance.reporting.audit.model import AuditRefused, AuditRequest
from bitbucket_compliance.reporting.audit.package import Packaged, package
from bitbucket_compliance.reporting.audit.sizes import sizes_of
from local.postgres import EmbeddedPostgres
from local.postgres_cluster import ADMIN_ROLE
from sandbox.process import SandboxServer
from tests.databases import copied
from tests.harness import Pipeline, bitbucket_connection
from tests.pipeline.small import ACME, small_state, whole_run, write_csv
from tests.registry.files import picture

TODAY = datetime.now(UTC).date()
Intruder = psycopg.Connection[dict[str, Any]]


@pytest.fixture(scope="module")
def judged(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Two runs, with a declaration and an export of two-step verification between them."""
    folder = tmp_path_factory.mktemp("declared")
    with (
        SandboxServer(small_state(3)) as server,
        pytest.MonkeyPatch.context() as patch,
        copied(postgres, "audit_package") as address,
    ):
        patch.setenv("AIRFLOW_CONN_COMPLIANCE_POSTGRES", address)

        def connect_to(at: SandboxServer, grant: str = "admin", **extra: object) -> None:
            patch.setenv("AIRFLOW_CONN_BITBUCKET_DEFAULT", json.dumps(bitbucket_connection(at.url, grant, **extra)))

        pipeline = Pipeline(address, connect_to)
        whole_run(pipeline, server)
        states = [(f"person-{n}@example.com", "No") for n in range(3)]
        pipeline.take("mfa", write_csv(folder / "mfa.csv", "Email,Two-step verification", states))
        with connect() as connection:
            submit(
                connection,
                ("shot.png", picture()),
                test_id="workspace_mfa_enforced",
                workspace=ACME,
                captured_on=TODAY,
                submitted_by="os:tester",
                note="what Person 1 sees",
            )
        server.state.workspaces[0].repositories[1].restrictions = []
        whole_run(pipeline, server)
        yield pipeline


@pytest.fixture
def intruder(judged: Pipeline, postgres: EmbeddedPostgres) -> Iterator[Intruder]:
    """Somebody who holds the server; what they change is put back as the test ends."""
    name = judged.dsn.rsplit("/", 1)[1].split("?")[0]
    with psycopg.connect(postgres.uri(name, ADMIN_ROLE), row_factory=dict_row) as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection
        connection.rollback()


def made(target: Path, *, people: bool = True, **wanted: Any) -> Packaged:
    request = {"workspace": ACME, "first_day": TODAY - timedelta(days=120), "last_day": TODAY, **wanted}
    with connect() as connection:
        return package(connection, AuditRequest(people=people, **request), target, read_kept)


def verify(folder: Path, *arguments: str) -> tuple[int, str]:
    """The exit code of ``verify.py`` and what it printed, by an interpreter that knows no package."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(folder / "verify.py"), *arguments], capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout + done.stderr


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def rewrite(folder: Path, name: str, change: Callable[[str], str]) -> None:
    """Change a file, and let the manifest name the new one, as somebody would who knows how it is checked."""
    before = (folder / name).read_text(encoding="utf-8")
    after = change(before)
    assert after != before
    (folder / name).write_text(after, encoding="utf-8")
    manifest = json.loads((folder / "manifest.json").read_text())
    [one] = [one for one in manifest["files"] if one["path"] == name]
    content = (folder / name).read_bytes()
    one |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("people", [True, False])
def test_a_package_that_nobody_touched_fits(judged: Pipeline, tmp_path: Path, people: bool) -> None:
    found = made(tmp_path, people=people)
    code, told = verify(found.folder)
    assert (code, told.splitlines()[-1]) == (0, "all fits"), told
    assert found.manifest_sha256 in told
    [head] = judged.query(
        "SELECT digest FROM compliance.record_links WHERE workspace = %s ORDER BY link LIMIT 1", [ACME]
    )
    assert verify(found.folder, "--head", head["digest"])[0] == 0
    assert verify(found.folder, "--head", "0" * 64)[0] == 1
    assert len(rows(found.folder, "data/changes.csv")) == 9
    with zipfile.ZipFile(found.zip) as archive:
        names = {name.partition("/")[2] for name in archive.namelist()}
    assert names == {str(one.relative_to(found.folder)) for one in found.folder.rglob("*") if one.is_file()}


@pytest.mark.usefixtures("judged")
def test_the_numbers_are_those_of_the_database(judged: Pipeline, tmp_path: Path) -> None:
    folder = made(tmp_path).folder
    period = [ACME, TODAY - timedelta(days=120), TODAY]
    stored = judged.query("SELECT * FROM compliance.control_period(%s, %s, %s)", period)
    shown = rows(folder, "data/controls.csv")
    assert [(one["framework"], one["control"], one["state"], one["open_at_end"]) for one in shown] == [
        (one["framework"], one["control"], one["state"], str(one["open_at_end"])) for one in stored
    ]
    page = (folder / "index.html").read_text()
    assert stored[0]["control_title"].split("'")[0][:30] in page and "<script" not in page and "http" not in page
    meanings = {(one["file"], one["column"]): one["meaning"] for one in rows(folder, "data/dictionary.csv")}
    assert all(meanings.values()), [key for key, meaning in meanings.items() if not meaning]


@pytest.mark.usefixtures("judged")
def test_without_people_nobody_is_named_and_pseudonyms_are_stable(tmp_path: Path) -> None:
    named, hidden = made(tmp_path / "named"), made(tmp_path / "hidden", people=False)
    texts = [path.read_text(encoding="utf-8") for path in hidden.folder.rglob("*") if path.is_file()]
    members = {one["subject_id"] for one in rows(named.folder, "data/results.csv") if one["subject_type"] == "member"}
    assert members
    assert not [
        path.name
        for path in hidden.folder.rglob("*")
        if path.is_file() and any(id in path.read_text("utf-8") for id in members)
    ]
    assert not [word for word in ("Person 1", "person-1@example.com", "os:tester") for text in texts if word in text]
    [by_author] = {one["author_id"] for one in rows(hidden.folder, "data/changes.csv")}
    assert by_author.startswith("person-")
    assert by_author in {one["subject_id"] for one in rows(hidden.folder, "data/results.csv")}
    assert not (hidden.folder / "evidence").exists()


# By member, oldest first.
AWKWARD_NAMES = ('Zo\N{LATIN SMALL LETTER E WITH DIAERESIS} "Q" O\'Brien <zq>', "=SUM(Zyx+1)", "_zedric_")


def test_without_people_awkward_names_are_in_no_part_either(intruder: Intruder, tmp_path: Path) -> None:
    members = intruder.execute(
        "SELECT member_id, account_id FROM compliance.members WHERE member_type = 'user' ORDER BY display_name LIMIT 3"
    ).fetchall()
    for name, member in zip(AWKWARD_NAMES, members, strict=True):
        about = {**member, "name": name, "bare": member["member_id"][1:-1]}
        for statement in (
            "UPDATE compliance.members SET display_name = %(name)s WHERE member_id = %(member_id)s",
            "UPDATE compliance.member_history SET display_name = %(name)s WHERE member_id = %(member_id)s",
            "UPDATE compliance.finding_records SET subject_name = %(name)s WHERE subject_id = %(member_id)s",
            "UPDATE compliance.result_history SET subject_name = %(name)s WHERE subject_id = %(member_id)s",
            # Told of in a sentence, in a list, and as a link.
            "UPDATE compliance.result_history SET reason = reason || ' Merged by ' || %(name)s || ' (' || %(bare)s"
            " || ', ' || %(account_id)s || ').', detail = detail || jsonb_build_object(%(name)s::text, %(bare)s::text,"
            " 'seen', jsonb_build_array(%(name)s::text, 'members/%%7B' || %(bare)s || '%%7D'))"
            " WHERE subject_type <> 'member'",
            "UPDATE registry.evidence SET note = note || ' ' || %(name)s, file_name = %(name)s || '_' || file_name",
        ):
            intruder.execute(statement.encode(), about)
    request = AuditRequest(ACME, TODAY - timedelta(days=120), TODAY, people=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bitbucket_compliance.reporting.audit.package.unchanging", _as_it_is)
        found = package(intruder, request, tmp_path, read_kept)
    words = ["zo\N{LATIN SMALL LETTER E WITH DIAERESIS}", "o'brien", "brien", "zyx", "zedric", "person-1@"]
    words += [one for member in members for one in (member["member_id"][1:-1], member["account_id"])]
    texts = {path.name: path.read_text("utf-8").casefold() for path in found.folder.rglob("*") if path.is_file()}
    assert "merged by person-" in texts["results.csv"]
    assert not [(name, word) for name, text in texts.items() for word in words if word in text]


def test_without_people_whoever_is_called_by_a_word_of_the_package_hides_nothing_else(
    intruder: Intruder, tmp_path: Path
) -> None:
    members = intruder.execute("SELECT member_id FROM compliance.members WHERE member_type = 'user' LIMIT 3").fetchall()
    for name, member in zip(("failing", "</td> <td>", "1"), members, strict=True):
        for statement in (
            "UPDATE compliance.members SET display_name = %(name)s WHERE member_id = %(member_id)s",
            "UPDATE compliance.result_history SET subject_name = %(name)s WHERE subject_id = %(member_id)s",
        ):
            intruder.execute(statement.encode(), {**member, "name": name})
    request = AuditRequest(ACME, TODAY - timedelta(days=120), TODAY, people=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bitbucket_compliance.reporting.audit.package.unchanging", _as_it_is)
        found = package(intruder, request, tmp_path, read_kept)
    counted = "SELECT count(*) AS failing FROM compliance.result_history WHERE status = 'failing'"
    [there] = intruder.execute(counted).fetchall()
    results = rows(found.folder, "data/results.csv")
    assert sum(row["status"] == "failing" for row in results) == there["failing"] > 0
    assert not {row["subject_name"] for row in results} & {"failing", "</td> <td>", "1"}
    html = (found.folder / "index.html").read_text("utf-8")
    assert html.count("<td>") == html.count("</td>") > 0
    for path in found.folder.rglob("*.json"):
        json.loads(path.read_text("utf-8"))
    assert "can't be read" not in verify(found.folder)[1]


TAMPERED_TABLES = {
    "a changed verdict": (
        "UPDATE compliance.result_history SET status = 'passing' WHERE status = 'failing'",
        "compliance.result_history",
    ),
    "a deleted finding": ("DELETE FROM compliance.finding_records", "compliance.finding_records"),
    "a moved deadline": (
        "UPDATE compliance.finding_records SET due_at = due_at + interval '1 year'", "compliance.finding_records",
    ),
    "a missing population row": (
        "DELETE FROM compliance.changes WHERE change_key = (SELECT min(change_key) FROM compliance.changes)",
        "compliance.changes",
    ),
    "a rewritten policy": (
        "UPDATE registry.policy_versions SET body = jsonb_set(body, '{thresholds,min_approvals}', '0')",
        "registry.policy_versions",
    ),
    "evidence that stands for another file": (
        "UPDATE registry.evidence SET file_sha256 = repeat('0', 64)", "registry.evidence",
    ),
}  # fmt: skip


@pytest.mark.parametrize("people", [True, False])
@pytest.mark.parametrize("what", TAMPERED_TABLES)
def test_tables_that_were_tampered_with_are_found_in_the_package(
    intruder: Intruder, tmp_path: Path, what: str, people: bool
) -> None:
    statement, relation = TAMPERED_TABLES[what]
    assert intruder.execute(statement.encode()).rowcount >= 1
    request = AuditRequest(ACME, TODAY - timedelta(days=120), TODAY, people=people)
    # In the intruder's own transaction, so that the next test finds the tables as they were.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bitbucket_compliance.reporting.audit.package.unchanging", _as_it_is)
        found = package(intruder, request, tmp_path, read_kept)
    code, told = verify(found.folder)
    assert code == 1 and relation in told, told


class _as_it_is:
    def __init__(self, connection: Intruder) -> None:
        pass

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def _changed_cell(column: str, value: str) -> Callable[[str], str]:
    """Change a column of the last row of a CSV file."""

    def change(text: str) -> str:
        table = list(csv.reader(text.splitlines()))
        table[-1][table[0].index(column)] = value
        return "\n".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in table) + "\n"

    return change


def _without_last_line(text: str) -> str:
    return "".join(text.splitlines(keepends=True)[:-1])


TAMPERED_FILES: dict[str, tuple[str, Callable[[str], str], str]] = {
    "a changed verdict": ("data/results.csv", _changed_cell("status", "made up"), "does not say what the record says"),
    "a deleted finding": ("data/findings.csv", _without_last_line, "missing in the table"),
    "a moved deadline": (
        "data/findings.csv",
        _changed_cell("due_at", "2099-01-01T00:00:00+00:00"),
        "does not say what the record says",
    ),
    "a missing population row": ("data/changes.csv", _without_last_line, "missing in the table"),
    "a changed sample": ("samples/changes.csv", _changed_cell("sample_key", "{x}#1"), "another sample"),
    "a shorter sample": ("samples/changes.csv", _without_last_line, "another sample"),
    "a rewritten policy": ("data/policies.csv", _changed_cell("body", "{}"), "does not say what the record says"),
    "a row of the record": ("record/workspace.tsv", _without_last_line, "sealed"),
    "a row as it is today": ("record/today.tsv", _without_last_line, "recorded and is gone"),
    "a link": ("data/links.csv", _without_last_line, "missing"),
}


@pytest.fixture(scope="module")
def whole(judged: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("whole")).folder


@pytest.mark.parametrize("what", TAMPERED_FILES)
def test_files_that_were_tampered_with_are_found_even_where_the_manifest_was_written_anew(
    whole: Path, tmp_path: Path, what: str
) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "copy"))
    name, change, problem = TAMPERED_FILES[what]
    rewrite(folder, name, change)
    code, told = verify(folder)
    assert code == 1 and problem in told, told


def test_a_file_that_the_manifest_does_not_name_is_found(whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "copy"))
    (folder / "index.html").write_text("another page")
    (folder / "more.txt").write_text("one more")
    code, told = verify(folder)
    assert code == 1 and "index.html is not the one" in told and "more.txt is not named" in told


def test_a_swapped_file_of_evidence_is_found(whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "copy"))
    [kept] = (folder / "evidence").glob("*.png")
    name = f"evidence/{kept.name}"
    kept.write_text("before")  # a picture is no text that could be changed
    rewrite(folder, name, lambda _: "another file")
    code, told = verify(folder)
    assert code == 1 and "its file is not the one that was handed in" in told, told


def test_a_file_of_evidence_that_was_swapped_in_the_store_is_found(judged: Pipeline, tmp_path: Path) -> None:
    [row] = judged.query("SELECT storage_url FROM registry.evidence WHERE storage_url LIKE '%%.png'", [])
    kept = Path(row["storage_url"].removeprefix("file://"))
    before = kept.read_bytes()
    kept.write_bytes(picture() + b"another")
    try:
        found = made(tmp_path)
    finally:
        kept.write_bytes(before)
    code, told = verify(found.folder)
    assert code == 1 and "was changed" in told and found.problems, told


def test_a_chosen_seed_draws_another_sample_and_is_redrawn(tmp_path: Path, judged: Pipeline) -> None:
    folder = made(tmp_path, seed="2026-H1").folder
    drawn = [one["sample_key"] for one in rows(folder, "samples/changes.csv")]
    keys = [one["sample_key"] for one in rows(folder, "data/changes.csv") if one["in_scope"] == "true"]
    assert drawn == sorted(keys, key=lambda key: hashlib.sha256(f"2026-H1:{key}".encode()).hexdigest())[:5]
    assert verify(folder)[0] == 0


@pytest.mark.parametrize(
    ("population", "size"), [(0, 0), (4, 4), (5, 5), (6, 5), (50, 5), (51, 6), (250, 25), (251, 25)]
)
def test_the_size_of_a_sample_follows_the_delivered_table(judged: Pipeline, population: int, size: int) -> None:
    with connect() as connection:
        sizes = sizes_of(connection, AuditRequest(ACME, TODAY, TODAY))
    assert sizes.of(population) == size
    [row] = judged.query("SELECT compliance.sample_size(%s, %s) AS size", [ACME, population])
    assert row["size"] == size


@pytest.mark.parametrize(
    ("table", "frequency", "size"),
    [(["8: 1", "more: 50 %"], "", 5), (None, "monthly", 3), (None, "daily", 9), (["more: 2"], "", 2)],
)
def test_the_policy_says_how_many_and_the_package_keeps_its_table(
    intruder: Intruder, tmp_path: Path, table: list[str] | None, frequency: str, size: int
) -> None:
    if table:
        _other_policy(intruder, table)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bitbucket_compliance.reporting.audit.package.unchanging", _as_it_is)
        request = AuditRequest(ACME, TODAY - timedelta(days=120), TODAY, people=True, frequency=frequency)
        folder = package(intruder, request, tmp_path, read_kept).folder
    assert len(rows(folder, "samples/changes.csv")) == size
    told = verify(folder)[1]
    assert "samples" not in told, told
    # Whoever draws another number writes another table, which is not the policy's.
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["samples"]["changes"]["sizes"] = [[None, 7, None]]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert "samples: its sizes are not those of the policy" in verify(folder)[1]


def _other_policy(intruder: Intruder, table: list[str]) -> None:
    """Let the newest run be judged by a policy with another table."""
    intruder.execute(
        "INSERT INTO registry.policy_versions (policy_version, body)"
        " SELECT 'other', jsonb_set(body, '{thresholds,sample_sizes}', %s::jsonb) FROM registry.policy_versions"
        " LIMIT 1",
        (json.dumps(table),),
    )
    intruder.execute(
        "UPDATE integration.runs SET policy_version = 'other' WHERE started_at ="
        " (SELECT max(started_at) FROM integration.runs)"
    )


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ({"workspace": "nobody"}, "nothing was published of workspace 'nobody'"),
        ({"framework": "none"}, "framework 'none' is unknown"),
        ({"last_day": TODAY + timedelta(days=1)}, "lies ahead"),
        ({"first_day": TODAY, "last_day": TODAY - timedelta(days=1)}, "before it begins"),
    ],
)
@pytest.mark.usefixtures("judged")
def test_what_cannot_be_packaged_is_refused(tmp_path: Path, wanted: dict[str, Any], problem: str) -> None:
    with pytest.raises(AuditRefused, match=problem):
        made(tmp_path, **wanted)
    assert list(tmp_path.iterdir()) == []
