"""The data contract: it is what the database publishes, a change asks for the version it deserves, a tool agrees."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from local.postgres import EmbeddedPostgres
from local.postgres_cluster import ADMIN_ROLE
from tests.bench.reporting import Size, make_history
from tests.conftest import Database
from tests.documents import dictionary
from tests.documents.contract import odcs
from tests.documents.contract.catalogue import Column, Function, Published, Relation, read_published
from tests.documents.contract.check import committed_contract, next_version, problems
from tests.documents.contract.environment import datacontract
from tests.documents.contract.quality import ACCEPTED, RULES
from tests.documents.contract.versions import Bump, differences, needed, raised

pytestmark = pytest.mark.slow


EACH_ROLE = pytest.mark.parametrize("role", odcs.FILES)
FILE = odcs.FILES[odcs.READER]


# ------------------------------------------------------------------------------- file and database


@EACH_ROLE
def test_the_contract_file_is_what_the_migrated_database_publishes_under_a_fitting_version(
    database: Database, role: str
) -> None:
    published = read_published(database, role)
    wrong = problems(odcs.load(role), published, committed_contract(role))
    assert wrong == [], "\n".join(wrong)
    written = odcs.render(published, odcs.load(role).version, role)
    assert odcs.FILES[role].read_text(encoding="utf-8") == written, "run `make contract`: its rules of quality changed"


def test_every_published_relation_is_in_the_contract_of_a_role_that_may_read_it(database: Database) -> None:
    in_file = {role: {one.name for one in odcs.load(role).published.relations} for role in odcs.FILES}
    published = read_published(database).relations
    assert in_file == {role: {one.name for one in published if role in one.readers} for role in odcs.FILES}


def test_every_rule_of_quality_is_about_something_that_is_published(database: Database) -> None:
    relations = {relation.name: relation for relation in read_published(database).relations}
    columns = {column.name for relation in relations.values() for column in relation.columns}
    assert set(RULES) <= set(relations)
    for name in ACCEPTED:
        relation, _, column = name.rpartition(".")
        assert column in ({one.name for one in relations[relation].columns} if relation else columns), name


def test_the_data_dictionary_is_what_the_comments_in_the_database_say(database: Database) -> None:
    assert dictionary.TARGET.read_text(encoding="utf-8") == dictionary.document(read_published(database)), (
        "docs/data-dictionary.md is not current: run `make docs`"
    )


def test_a_contract_is_read_back_as_it_was_written(database: Database) -> None:
    published = read_published(database)
    again = odcs.parse(odcs.render(published, "3.2.1"))
    assert again == odcs.Contract("3.2.1", published, published.digest)
    of_people = odcs.parse(odcs.render(published, "3.2.1", odcs.PEOPLE_READER))
    assert of_people.role == odcs.PEOPLE_READER


ALTERATIONS = {
    "ALTER TABLE compliance.repositories ADD COLUMN stars integer": ("2.4.0", "repositories.stars: added (minor)"),
    "ALTER TABLE compliance.repositories DROP COLUMN language CASCADE": (
        "3.0.0",
        "repositories.language: removed (major)",
    ),
    "DROP VIEW granted.repositories; ALTER TABLE compliance.repositories ALTER COLUMN language TYPE varchar(9)": (
        "3.0.0",
        "repositories.language: type text became character varying(9) (major)",
    ),
    "COMMENT ON COLUMN compliance.tests.severity IS 'How bad.'": (
        "2.3.5",
        "tests.severity: described otherwise (patch)",
    ),
    "DROP VIEW compliance.undecided CASCADE": ("3.0.0", "undecided: removed (major)"),
    "REVOKE SELECT ON compliance.findings FROM compliance_reader": ("3.0.0", "findings: removed (major)"),
    "GRANT SELECT ON compliance.results TO compliance_reader": ("2.4.0", "results: added (minor)"),
    "DROP FUNCTION compliance.results_as_of(timestamptz)": (
        "3.0.0",
        "results_as_of(as_of timestamp with time zone): removed (major)",
    ),
}


@pytest.mark.parametrize("statement", ALTERATIONS)
def test_a_schema_that_changed_under_the_same_version_is_told_with_the_version_it_needs(
    database: Database, statement: str
) -> None:
    published = read_published(database)
    released = odcs.Contract("2.3.4", published, published.digest)
    assert problems(released, published, released) == []
    database.execute(statement)
    version, what = ALTERATIONS[statement]
    [message] = problems(released, read_published(database), released)
    assert what in message
    assert f"asks for version {version}" in message
    assert "run `make contract`" in message


# ----------------------------------------------------------------------------------------- versions

KEY = Column("id", "text", "Id.", required=True, key=1)
NAME = Column("name", "text", "Name.", required=False, key=0)
VIEW = Relation("things", "view", "All things.", ("compliance_reader",), (KEY, NAME))
CALL = Function("call", "at timestamptz", "text", "Calls.", ("compliance_reader",))
BEFORE = Published((VIEW,), (CALL,))


def with_columns(*columns: Column) -> Published:
    return Published((replace(VIEW, columns=columns),), (CALL,))


CHANGES: dict[str, tuple[Published, Bump | None]] = {
    "nothing": (BEFORE, None),
    "a column more": (with_columns(KEY, NAME, replace(NAME, name="more")), Bump.MINOR),
    "a column less": (with_columns(KEY), Bump.MAJOR),
    "a column renamed": (with_columns(KEY, replace(NAME, name="title")), Bump.MAJOR),
    "another type": (with_columns(KEY, replace(NAME, type="integer")), Bump.MAJOR),
    "null where there was none": (with_columns(replace(KEY, required=False), NAME), Bump.MAJOR),
    "never null any more": (with_columns(KEY, replace(NAME, required=True)), Bump.MINOR),
    "another key": (with_columns(KEY, replace(NAME, key=2)), Bump.MAJOR),
    "another order": (with_columns(NAME, KEY), Bump.MAJOR),
    "other words for a column": (with_columns(KEY, replace(NAME, description="Its name.")), Bump.PATCH),
    "other words for a view": (Published((replace(VIEW, description="Things."),), (CALL,)), Bump.PATCH),
    "a view more": (Published((VIEW, replace(VIEW, name="more")), (CALL,)), Bump.MINOR),
    "a view less": (Published((), (CALL,)), Bump.MAJOR),
    "a reader more": (
        Published((replace(VIEW, readers=("compliance_reader", "compliance_people_reader")),), (CALL,)),
        Bump.MINOR,
    ),
    "a reader less": (Published((replace(VIEW, readers=()),), (CALL,)), Bump.MAJOR),
    "a function less": (Published((VIEW,), ()), Bump.MAJOR),
    "another argument": (Published((VIEW,), (replace(CALL, arguments="at date"),)), Bump.MAJOR),
    "another return": (Published((VIEW,), (replace(CALL, returns="integer"),)), Bump.MAJOR),
}


@pytest.mark.parametrize("change", CHANGES)
def test_removals_and_types_are_major_additions_minor_and_words_a_patch(change: str) -> None:
    after, bump = CHANGES[change]
    assert needed(differences(BEFORE, after)) is bump


def test_the_largest_change_decides_and_a_higher_version_that_was_chosen_stays() -> None:
    committed = odcs.Contract("1.9.9", BEFORE, BEFORE.digest)
    more = CHANGES["a column more"][0]
    assert [raised("1.9.9", bump) for bump in Bump] == ["1.9.10", "1.10.0", "2.0.0"]
    assert next_version(committed, BEFORE) == "1.9.9"
    assert next_version(committed, more) == "1.10.0"
    assert next_version(committed, more, "2.0.0") == "2.0.0"
    assert next_version(committed, more, "1.9.9") == "1.10.0"


def test_a_version_below_what_the_change_since_the_last_commit_asks_for_is_refused() -> None:
    committed = odcs.Contract("1.2.0", BEFORE, BEFORE.digest)
    less = CHANGES["a column less"][0]
    [message] = problems(odcs.Contract("1.3.0", less, less.digest), less, committed)
    assert "asks for 2.0.0: things.name: removed (major)" in message
    assert problems(odcs.Contract("2.0.0", less, less.digest), less, committed) == []


def test_a_schema_that_was_edited_by_hand_is_told() -> None:
    [message] = problems(odcs.Contract("1.2.0", BEFORE, "another digest"), BEFORE)
    assert "is not the one that version 1.2.0 was given to" in message


# --------------------------------------------------------------------------------- datacontract-cli


@pytest.fixture(scope="module")
def tool() -> Path:
    """datacontract-cli in its own environment, which comes from where ``make setup`` gets its packages."""
    return datacontract()


def run(tool: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DATACONTRACT_")}
    return subprocess.run(
        [str(tool), *arguments], env={**kept, **environment}, capture_output=True, text=True, check=False, timeout=300
    )


@EACH_ROLE
def test_datacontract_cli_finds_the_file_valid(tool: Path, role: str) -> None:
    done = run(tool, "lint", str(odcs.FILES[role]))
    assert done.returncode == 0, done.stdout + done.stderr


def test_datacontract_cli_finds_a_broken_file_invalid(tool: Path, tmp_path: Path) -> None:
    broken = tmp_path / FILE.name
    broken.write_text(FILE.read_text(encoding="utf-8").replace("kind: DataContract\n", ""), encoding="utf-8")
    assert run(tool, "lint", str(broken)).returncode != 0


@pytest.fixture
def filled(postgres: EmbeddedPostgres, dsn: str) -> Iterator[Callable[[str], dict[str, str]]]:
    """A database that holds a made-up history; gives its address for a login that has one role and no other."""
    make_history(dsn, Size(repositories=30, members=10, runs=5, share=0.1))
    named, password = conninfo_to_dict(dsn), "only-for-this-test"
    made = [f"contract_of_{role}" for role in odcs.FILES]
    with psycopg.connect(postgres.uri("postgres", ADMIN_ROLE), autocommit=True) as admin:
        for role in odcs.FILES:
            admin.execute(f"CREATE ROLE contract_of_{role} LOGIN PASSWORD '{password}' IN ROLE {role}")

        def as_role(role: str) -> dict[str, str]:
            return {
                "DATACONTRACT_POSTGRES_HOST": str(named["host"]),
                "DATACONTRACT_POSTGRES_PORT": str(named["port"]),
                "DATACONTRACT_POSTGRES_DATABASE": str(named["dbname"]),
                "DATACONTRACT_POSTGRES_USERNAME": f"contract_of_{role}",
                "DATACONTRACT_POSTGRES_PASSWORD": password,
            }

        yield as_role
        for name in made:
            admin.execute(f"DROP ROLE {name}")


@EACH_ROLE
def test_a_login_that_has_the_role_alone_finds_the_database_as_its_contract_says(
    tool: Path, filled: Callable[[str], dict[str, str]], role: str
) -> None:
    done = run(tool, "test", str(odcs.FILES[role]), **filled(role))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


#: What is done to the database, by the relation whose rule finds it, and the words in which the tool says so.
BROKEN = {
    "repositories": ("ALTER TABLE compliance.repositories DROP COLUMN language CASCADE", "language"),
    "tests": ("UPDATE compliance.tests SET severity = 'dreadful'", "severity"),
    "test_summary": (
        "CREATE OR REPLACE FUNCTION compliance.score(passing numeric, failing numeric) RETURNS numeric"
        " LANGUAGE sql IMMUTABLE RETURN 120",
        "No share",
    ),
    "current_results": ("UPDATE compliance.results SET basis = null", "rests on"),
    "result_history": ("DELETE FROM compliance.results WHERE test_id = 'repo_classified'", "open in history"),
}


@pytest.mark.parametrize("relation", BROKEN)
def test_datacontract_cli_finds_what_is_missing_or_wrong(
    tool: Path, filled: Callable[[str], dict[str, str]], database: Database, relation: str
) -> None:
    statement, said = BROKEN[relation]
    database.execute(statement.encode())
    done = run(tool, "test", str(FILE), "--schema-name", relation, **filled(odcs.READER))
    assert done.returncode != 0
    assert said in done.stdout + done.stderr
