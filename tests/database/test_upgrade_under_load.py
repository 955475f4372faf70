"""An upgrade while runs are at work and readers ask: all of them see one version or the other, and nobody is ended."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bitbucket_compliance.core.errors import PostgresBusy, SchemaChanged
from bitbucket_compliance.database import exclusive
from bitbucket_compliance.database.migrate import DATABASE, upgrade
from bitbucket_compliance.pipeline.publish import publish as publishing
from bitbucket_compliance.security_tests.upgrade import upgrade as upgrade_with_catalogue
from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.harness import Pipeline
from tests.pipeline.small import ACME, FAST, extract, small_state, statuses

Serve = Callable[[SandboxState], SandboxServer]
_PUBLISHED = "SELECT count(*), count(DISTINCT run_id), count(DISTINCT evaluated_at) FROM compliance.results"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The database's files as a later version has them: a view with another column, and a table with one more."""
    copy = Path(shutil.copytree(DATABASE, tmp_path / "database", ignore=shutil.ignore_patterns("__pycache__")))
    view = copy / "views/compliance/undecided.sql"
    view.write_text(view.read_text(encoding="utf-8") + "-- of the next version\n", encoding="utf-8")
    return copy


def migrate(folder: Path, statement: str) -> None:
    """Let the later version have a migration."""
    (folder / "migrations/versions/next_0002.py").write_text(
        "from alembic import op\n"
        "revision, down_revision, branch_labels, depends_on = 'next_0002', 'tables_0001', None, None\n"
        f"def upgrade() -> None:\n    op.execute({statement!r})\n",
        encoding="utf-8",
    )


@pytest.fixture
def judged(pipeline: Pipeline, serve: Serve) -> str:
    """A run of the version before, all of it done but publishing."""
    pipeline.connect_to(serve(small_state(2)), "admin", **FAST)
    run_id = extract()
    pipeline.judge(run_id)
    return run_id


def test_a_run_that_began_before_an_upgrade_is_published_after_it(
    pipeline: Pipeline, judged: str, folder: Path
) -> None:
    migrate(folder, "ALTER TABLE compliance.results ADD COLUMN of_the_next_version text")
    upgrade(pipeline.dsn, folder)
    tasks.publish(ACME, judged)
    assert set(statuses(pipeline, "repo-0").values()) >= {"passing"}
    assert pipeline.query("SELECT status FROM integration.runs") == [{"status": "published"}]
    assert pipeline.query("SELECT * FROM integration.verify_record(%s)", (ACME,)) == []


def test_what_an_upgrade_took_from_an_old_step_fails_it_as_a_whole_and_is_tried_again(
    pipeline: Pipeline, judged: str, folder: Path
) -> None:
    migrate(folder, "ALTER TABLE compliance.population_counts RENAME COLUMN unexplained TO without_reason")
    for name in ("views", "functions"):
        for path in (folder / name).rglob("*.sql"):
            text = path.read_text(encoding="utf-8")
            if "population_counts" in text or "counts.unexplained" in text:
                path.write_text(text.replace("counts.unexplained", "counts.without_reason"), encoding="utf-8")
    upgrade(pipeline.dsn, folder)
    # it is nearly the last thing that is written
    with pytest.raises(SchemaChanged, match=r"schema and code are of different versions .*unexplained"):
        tasks.publish(ACME, judged)
    assert SchemaChanged.retryable
    assert pipeline.query("SELECT count(*) AS rows FROM compliance.result_history") == [{"rows": 0}]
    assert pipeline.query("SELECT count(*) AS rows FROM compliance.results") == [{"rows": 0}]


def test_an_upgrade_waits_for_a_publication_and_readers_see_whole_states(
    pipeline: Pipeline, judged: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half_done, go_on, done = threading.Event(), threading.Event(), threading.Event()
    seal = publishing.seal_record

    def slow(*arguments: Any) -> None:
        half_done.set()
        assert go_on.wait(60)
        seal(*arguments)

    def poll() -> set[tuple[Any, ...]]:
        seen: set[tuple[Any, ...]] = set()
        with psycopg.connect(pipeline.dsn, autocommit=True) as reader:
            while not done.is_set():
                seen |= set(reader.execute(_PUBLISHED).fetchall())
                reader.execute("SELECT * FROM compliance.undecided").fetchall()
        return seen

    monkeypatch.setattr(publishing, "seal_record", slow)
    with ThreadPoolExecutor(3) as pool:
        readers = pool.submit(poll)
        run = pool.submit(tasks.publish, ACME, judged)
        assert half_done.wait(60)
        upgraded = pool.submit(upgrade, pipeline.dsn, folder)
        time.sleep(2)
        assert not upgraded.done(), "it waits"
        go_on.set()
        try:
            run.result(60)
            upgraded.result(60)
        finally:
            done.set()
        seen = readers.result(60)
    whole = pipeline.query("SELECT count(*) AS rows FROM compliance.results")[0]["rows"]
    assert {rows for rows, *_ in seen} == {0, whole}


def test_an_upgrade_that_never_has_everything_to_itself_gives_up_and_names_who_is_at_work(
    pipeline: Pipeline, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exclusive, "PATIENCE", 1.5)
    [before] = pipeline.query("SELECT digest FROM integration.schema_objects")
    with psycopg.connect(pipeline.dsn, application_name="compliance: publish of acme") as busy:
        busy.execute("SELECT * FROM compliance.results FOR UPDATE")
        with pytest.raises(PostgresBusy, match=r"session \d+ \(compliance: publish of acme\) of login"):
            upgrade(pipeline.dsn, folder)
        assert busy.execute("SELECT 1").fetchone() == (1,), "it was not ended"
    assert pipeline.query("SELECT digest FROM integration.schema_objects") == [before]
    upgrade(pipeline.dsn, folder)
    upgrade_with_catalogue(pipeline.dsn)
