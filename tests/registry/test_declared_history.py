"""Rules of declared data's history: exactly one entry is in force at a time, and who set what when is never lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row

from bitbucket_compliance.core.errors import ImportRefused
from bitbucket_compliance.registry.classification import withdraw
from bitbucket_compliance.registry.imports import import_file
from local.postgres import EmbeddedPostgres
from tests.conftest import Database
from tests.databases import copied, unguarded
from tests.security_tests.builders import World

CLASSIFICATION = "target_type,target,classification,sensitivity,owner,workspace"
AUDITED = ("classification_history", "roster_history", "policy_history")

Take = Callable[[str], None]


@pytest.fixture(scope="module")
def registry(postgres: EmbeddedPostgres) -> Iterator[Database]:
    """One database for the module."""
    with (
        copied(postgres, "declared_history") as address,
        psycopg.connect(address, row_factory=dict_row, autocommit=True) as opened,
    ):
        opened.execute("SET TIME ZONE 'UTC'")
        yield opened


@pytest.fixture
def take(database: Database, tmp_path: Path) -> Take:
    def write_and_take(rows: str) -> None:
        path = tmp_path / "classes.csv"
        path.write_text(f"{CLASSIFICATION}\n{rows}\n")
        import_file(database, "classification", path, imported_by="os:ada")

    return write_and_take


@pytest.fixture
def world(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(database, tmp_path, monkeypatch)


def history(database: Database) -> list[dict[str, Any]]:
    return database.execute("SELECT * FROM registry.classification_history ORDER BY entry_id").fetchall()


# ------------------------------------------------------------------ properties

targets = st.sampled_from(
    [("", "pattern", "*"), ("acme", "pattern", "*"), ("", "project", "core"), ("acme", "repository", "pay")]
)
imports = st.dictionaries(targets, st.sampled_from(["production", "non_production", None]), min_size=1, max_size=4)


def declare(database: Database, folder: Path, step: dict[tuple[str, str, str], str | None]) -> None:
    """One import; a target without a class is taken back, where there is something to take back."""
    path = folder / "classes.csv"
    rows = [f"{kind},{name},{what},,,{workspace}" for (workspace, kind, name), what in step.items() if what]
    path.write_text("\n".join([CLASSIFICATION, *rows]) + "\n")
    import_file(database, "classification", path, imported_by="os:ada")
    for (workspace, kind, name), what in step.items():
        if what is None:
            try:
                withdraw(database, kind, name, workspace=workspace or None, withdrawn_by="os:bo")
            except ImportRefused:
                continue


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(imports, min_size=1, max_size=5))
def test_at_any_instant_one_entry_of_a_target_stands_and_the_open_ones_are_in_force(
    registry: Database, tmp_path: Path, steps: list[dict[tuple[str, str, str], str | None]]
) -> None:
    with unguarded(registry):
        registry.execute("DELETE FROM registry.classification")
    expected: dict[tuple[str, str, str], str | None] = {}
    for step in steps:
        declare(registry, tmp_path, step)
        expected.update(step)
        intervals: dict[tuple[Any, ...], list[Any]] = {}
        for row in history(registry):
            key = (row["workspace"] or "", row["target_type"], row["target"])
            intervals.setdefault(key, []).append((row["valid_from"], row["valid_to"]))
        for spans in intervals.values():
            # each ends where the next begins, and the last one is open: never a gap, never two at a time
            assert [end for _, end in spans] == [*(start for start, _ in spans[1:]), None]
            assert all(end is None or start <= end for start, end in spans)
        in_force = {
            (row["workspace"] or "", row["target_type"], row["target"]): row["classification"]
            for row in registry.execute("SELECT * FROM registry.classification_in_force")
        }
        still_open = {
            (row["workspace"] or "", row["target_type"], row["target"]): row["classification"]
            for row in history(registry)
            if row["valid_to"] is None and row["classification"] is not None
        }
        assert in_force == still_open == {key: what for key, what in expected.items() if what is not None}


def test_a_clock_that_was_set_back_opens_no_two_entries_at_a_time(database: Database) -> None:
    for day in ("2026-03-05", "2026-03-03", "2026-03-04"):
        database.execute(
            "INSERT INTO registry.classification (target_type, target, classification, declared_by, declared_at)"
            " VALUES ('pattern', '*', 'production', 'ada', %s)",
            (day,),
        )
        database.execute(
            "INSERT INTO registry.imports (kind, file_name, file_sha256, row_count, imported_by, imported_at)"
            " VALUES ('roster', 'f', 'f', 1, 'ada', %s)",
            (day,),
        )
        database.execute(
            "INSERT INTO registry.policy_overrides (workspace, body, set_by, set_at)"
            " VALUES ('acme', '{}', 'os:ada', %s)",
            (day,),
        )
    for view in AUDITED:
        rows = database.execute(
            f"SELECT valid_from, valid_to FROM registry.{view} ORDER BY 1, 2 NULLS LAST"  # type: ignore[arg-type]  # noqa: S608
        ).fetchall()
        assert [f"{row['valid_from']:%d}" for row in rows] == ["05"] * 3, view
        assert sum(row["valid_to"] is None for row in rows) == 1, view


# -------------------------------------------------------------- classification


def test_who_set_what_when_and_until_when_stands_with_its_file(database: Database, take: Take) -> None:
    take("repository,pay,non_production,internal,team-a,acme")
    take("repository,pay,production,confidential,team-b,acme")
    first, second = history(database)
    assert (first["classification"], first["sensitivity"], first["owner"]) == ("non_production", "internal", "team-a")
    assert (second["workspace"], second["target_type"], second["target"]) == ("acme", "repository", "pay")
    assert first["set_by"] == second["set_by"] == "os:ada"
    assert first["file_name"] == "classes.csv" and first["file_sha256"] != second["file_sha256"]
    assert first["valid_to"] == second["set_at"]
    assert second["valid_to"] is None


def test_an_entry_is_as_old_as_its_import_not_as_the_transaction_that_waited(dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "classes.csv"
    path.write_text(f"{CLASSIFICATION}\npattern,*,production,,,\n")
    with psycopg.connect(dsn, row_factory=dict_row) as early, psycopg.connect(dsn, row_factory=dict_row) as late:
        early.execute("SELECT 1")  # its clock stands from here on
        import_file(late, "classification", path, imported_by="os:late")
        late.commit()
        path.write_text(f"{CLASSIFICATION}\npattern,*,non_production,,,\n")
        import_file(early, "classification", path, imported_by="os:early")
        early.commit()
        rows = early.execute("SELECT * FROM registry.classification_history ORDER BY entry_id").fetchall()
    assert [row["set_by"] for row in rows] == ["os:late", "os:early"]
    assert rows[0]["set_at"] < rows[1]["set_at"]


def test_an_entry_that_was_taken_back_decides_nothing_and_stays_in_the_history(world: World, tmp_path: Path) -> None:
    world.repository("pay")
    world.classify("pattern", "*", "production").classify("repository", "pay", "non_production")
    assert world.judge("repo_classified")["pay"]["detail"]["classification"] == "non_production"
    withdraw(world.database, " Repository ", " PAY ", withdrawn_by="os:bo")
    assert world.judge("repo_classified")["pay"]["detail"]["classification"] == "production"
    withdraw(world.database, "pattern", "*", withdrawn_by="os:bo")
    verdict = world.judge("repo_classified")["pay"]
    assert (verdict["status"], verdict["reason_code"]) == ("failing", "unclassified")
    assert [(row["target"], row["classification"], row["set_by"]) for row in history(world.database)] == [
        ("*", "production", "tester"),
        ("pay", "non_production", "tester"),
        ("pay", None, "os:bo"),
        ("*", None, "os:bo"),
    ]


def test_only_what_is_in_force_can_be_taken_back(database: Database, take: Take) -> None:
    take("pattern,*,production,,,acme")
    for workspace in (None, "other"):
        with pytest.raises(ImportRefused, match="no classification of pattern"):
            withdraw(database, "pattern", "*", workspace=workspace, withdrawn_by="os:bo")
    withdraw(database, "pattern", "*", workspace="ACME", withdrawn_by="os:bo")
    with pytest.raises(ImportRefused):
        withdraw(database, "pattern", "*", workspace="acme", withdrawn_by="os:bo")
    take("pattern,*,production,,,acme")
    assert [row["classification"] for row in history(database)] == ["production", None, "production"]


# -------------------------------------------------------------------- roster


def test_every_roster_that_was_in_force_is_known(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "roster.csv"
    for people in (1, 2):
        rows = [f"a{number}@x.io,,active,," for number in range(people)]
        path.write_text("\n".join(["email,name,status,end_date,account_id", *rows]) + "\n")
        import_file(database, "roster", path, imported_by=f"import {people}")
    first, second = database.execute("SELECT * FROM registry.roster_history ORDER BY import_id").fetchall()
    assert (first["rows"], first["imported_by"], first["source"], first["is_current"]) == (1, "import 1", "file", False)
    assert (second["rows"], second["is_current"], second["valid_to"]) == (2, True, None)
    assert first["valid_to"] == second["imported_at"]


def test_two_members_with_one_name_are_never_guessed_apart(world: World) -> None:
    world.member("Ada").roster({"name": "Ada", "status": "terminated"})
    twin = {"uuid": "{00000000-0000-4000-8000-0000000000ad}", "display_name": "ADA", "type": "user"}
    world.members.append({"user": twin})
    verdicts = world.judge("offboarded_access_removed")
    assert {name: (row["status"], row["reason_code"]) for name, row in verdicts.items()} == {
        "Ada": ("pending", "ambiguous_match"),
        "ADA": ("pending", "ambiguous_match"),
    }


# -------------------------------------------------------------------- grants


@pytest.mark.parametrize("role", ["compliance_pipeline", "compliance_console"])
def test_the_pipeline_and_the_console_read_the_history_and_cannot_write_it(database: Database, role: str) -> None:
    for view in AUDITED:
        row = database.execute(
            "SELECT has_table_privilege(%(role)s, %(view)s, 'SELECT') AS reads,"
            " has_table_privilege(%(role)s, %(view)s, 'UPDATE, DELETE') AS writes",
            {"role": role, "view": f"registry.{view}"},
        ).fetchone()
        assert row == {"reads": True, "writes": False}, view
    for table in ("classification", "policy_overrides", "imports", "people"):
        row = database.execute(
            "SELECT has_table_privilege(%s, %s, 'UPDATE, DELETE, TRUNCATE') AS writes", (role, f"registry.{table}")
        ).fetchone()
        assert row == {"writes": False}, table


@pytest.mark.parametrize("view", AUDITED)
def test_readers_of_results_do_not_read_the_registry(database: Database, view: str) -> None:
    row = database.execute(
        "SELECT has_table_privilege('compliance_reader', %s, 'SELECT') AS reads", (f"registry.{view}",)
    ).fetchone()
    assert row == {"reads": False}
