"""Declared data as others met it in the field, with the right value of each.

The cases lie beside the repository, in ``../shared/cases``, and are never copied into it; tests skip where they are
absent. What each stands for has tests of its own, with files of our own: ``tests/registry`` and ``test_roster_runs``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bitbucket_compliance.core.database import connect
from bitbucket_compliance.core.errors import ImportRefused, PipelineError
from bitbucket_compliance.registry.imports import import_file, import_roster, problem_lines
from bitbucket_compliance.registry.imports.roster_sources import Source
from local.postgres import EmbeddedPostgres
from sandbox import actions
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.harness import Pipeline
from tests.pipeline.small import ACME, people, repository, small_state, whole_run
from tests.registry.directory import TOKEN, Directory
from tests.registry.directory import serve as serve_scim

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
# beside the repository, or beside the folder of its work trees
FOLDER = next((found for beside in ROOT.parents[:2] if (found := beside / "shared" / "cases").is_dir()), None)
SCENARIOS = ("24", "25", "26", "27", "28", "39", "40", "80", "81", "82")
FILES = {"01": "roster", "02": "mfa", "03": "classification", "07": "roster", "10": "roster", "11": "mfa"}


def case(number: str) -> Path:
    """The folder of a case."""
    if FOLDER is None:
        pytest.skip("the cases are not in shared/cases beside us")
    return next(FOLDER.glob(f"{number}-*"))


class Played:
    """What came of the steps of a case."""

    def __init__(self, pipeline: Pipeline, server: SandboxServer, directory: Directory, hr: EmbeddedPostgres):
        self.pipeline = pipeline
        self.server = server
        self.said: list[str] = []
        self.old = self.new = ""
        self._directory = directory
        self._hr = hr
        self._runs = 0

    def take(self, kind: str, path: Path) -> None:
        """Import a file, as an operator does."""
        with self._refusals_kept(), connect() as connection:
            day = datetime.now(UTC).date() if kind == "mfa" else None
            import_file(
                connection, kind, path, imported_by="os:tester", captured_on=day, is_vouched_for=True, may_shrink=False
            )

    def run(self, **options: Any) -> None:
        """A whole run; the first reads everything."""
        whole_run(self.pipeline, self.server, touched=self._runs == 0, **options)
        self._runs += 1

    def scim(self, pages: dict[str, Any]) -> None:
        """Take the roster from a directory that answers with these pages, by the number they begin with."""
        self._directory.answer = lambda start, _: (200, pages.get(str(start), pages["*"]), {})
        self._from(Source.of("scim", "idp", ""))

    def sql(self, table: str, query: Path) -> None:
        """Take the roster by a query."""
        with psycopg.connect(self._hr.uri(), autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS public.staff")
            connection.execute(table)  # type: ignore[arg-type]
        self._from(Source.of("sql", "hr", str(query)))

    def take_over_slug(self, slug: str) -> None:
        """Rename a repository, and make another one under the slug that it had."""
        state = self.server.state
        self.old = state.repository(slug).uuid
        actions.rename_repository(state, slug, f"{slug}-old")
        made = repository(slug, people(), number=50)
        made.uuid, made.created_on = "{0000aaaa-0000-4000-8000-00000000beef}", state.clock()
        state.workspaces[0].repositories.append(made)
        self.new = made.uuid

    def codes(self, subject_id: str) -> set[str]:
        """The reason codes of a subject."""
        query = "SELECT reason_code FROM compliance.current_results WHERE subject_id = %s"
        return {row["reason_code"] for row in self.pipeline.query(query, (subject_id,))}

    def _from(self, source: Source) -> None:
        with self._refusals_kept():
            people = source.read()
            with connect() as connection:
                import_roster(connection, people, imported_by="os:tester")

    @contextmanager
    def _refusals_kept(self) -> Iterator[None]:
        try:
            yield
        except ImportRefused as refused:
            self.said += [str(refused), *problem_lines(refused)]
        except PipelineError as refused:
            self.said.append(str(refused))


Serve = Callable[[SandboxState], SandboxServer]
Play = Callable[..., Played]


@pytest.fixture
def play(
    pipeline: Pipeline, serve: Serve, other_postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Play]:
    """Begin a case with a workspace of so many repositories and four members."""
    directory = Directory()
    monkeypatch.setenv("AIRFLOW_CONN_HR", other_postgres.uri())
    with serve_scim(directory):
        connection = {"conn_type": "http", "host": directory.url, "password": TOKEN}
        monkeypatch.setenv("AIRFLOW_CONN_IDP", json.dumps(connection))
        yield lambda repositories=1: Played(pipeline, serve(small_state(repositories)), directory, other_postgres)


def check(played: Played, expected: dict[str, Any]) -> None:
    """What the case expects of verdicts, messages and requests."""
    verdicts = {f"{test} {name}": status for (test, name), (status, *_) in played.pipeline.verdicts(ACME).items()}
    for name, wanted in expected.get("verdicts", {}).items():
        assert verdicts[name] in (wanted if isinstance(wanted, list) else [wanted]), name
    for words in (*expected.get("refused", ()), *expected.get("last_says", ())):
        assert any(words.casefold() in line.casefold() for line in played.said), (words, played.said)
    if most := expected.get("requests_at_most"):
        assert len([one for one in played.server.state.requests if one.path.startswith("/2.0/")]) <= most


@pytest.mark.parametrize("number", FILES)
def test_a_file_of_the_field_is_taken_or_refused_as_it_should_be(number: str, play: Play) -> None:
    folder = case(number)
    expected = json.loads((folder / "expect.json").read_text())
    played = play(2)
    if (folder / "before.csv").exists():
        played.take("roster", folder / "before.csv")
    [declared] = [path for path in folder.glob("*.csv") if path.name != "before.csv"]
    played.take(FILES[number], declared)
    assert bool(played.said) == bool(expected.get("refused"))
    played.run()
    check(played, expected)


@pytest.mark.parametrize("number", SCENARIOS)
def test_what_happened_in_the_field_leads_to_the_right_verdicts(number: str, play: Play) -> None:
    folder = case(number)
    scenario = json.loads((folder / "scenario.json").read_text())
    played = play(scenario["repositories"])
    for step in scenario["steps"]:
        [(what, given)] = step.items()
        if what == "run":
            played.run(**given)
        elif what == "scim":
            played.scim(json.loads((folder / given).read_text()))
        elif what == "sql_roster":
            played.sql((folder / given["table"]).read_text(), folder / given["query"])
        elif what == "take_over_slug":
            played.take_over_slug(given)
        else:
            played.take(what, folder / given)
    check(played, scenario["expect"])
    if "sql" in scenario["expect"]:
        # It asks by the uuids of another sandbox: what the slug named is non_production still, and nothing else is.
        assert "non_production" in played.codes(played.old)
        assert played.codes(played.new) >= {"unclassified"} and "non_production" not in played.codes(played.new)
    if scenario["expect"].get("published") is False:
        assert played.pipeline.query("SELECT 1 FROM registry.imports") == []
