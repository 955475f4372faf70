"""What repositories were over time, how many subjects were looked at each day, and what a loader of rows needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from local.postgres import EmbeddedPostgres
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.harness import Pipeline
from tests.pipeline.board import Board, Database, Judged, database_for_boards
from tests.pipeline.small import small_state, whole_run, write_csv

COLUMNS = "target_type,target,classification,sensitivity,owner"


@pytest.fixture(scope="module")
def connection(postgres: EmbeddedPostgres) -> Iterator[Database]:
    """One database for the module; each board has a workspace of its own."""
    with database_for_boards(postgres, "boards_of_dimensions") as opened:
        yield opened


def test_a_repository_has_an_interval_for_each_project_owner_and_classification(
    pipeline: Pipeline, serve: Callable[[SandboxState], SandboxServer], tmp_path: Path
) -> None:
    acme = serve(small_state(2))
    first, second = acme.state.workspaces[0].repositories

    def intervals(slug: str) -> list[dict[str, Any]]:
        return pipeline.query(
            "SELECT * FROM compliance.repository_history WHERE slug = %s ORDER BY valid_from", (slug,)
        )

    whole_run(pipeline, acme)
    [once] = intervals("repo-0")
    assert (once["owner"], once["classification"], once["valid_to"]) == (None, None, None)
    assert once["created_on"] is not None
    whole_run(pipeline, acme)
    assert intervals("repo-0") == [once], "nothing changed"
    declared = [("repository", "repo-0", "production", "internal", "team-a")]
    pipeline.take("classification", write_csv(tmp_path / "c.csv", COLUMNS, declared))
    acme.state.workspaces[0].repositories.remove(second)
    whole_run(pipeline, acme)
    before, now = intervals("repo-0")
    assert before["valid_to"] == now["valid_from"] and now["valid_to"] is None
    assert before["recorded_at"] > once["recorded_at"], "a loader sees that it ended"
    assert (now["owner"], now["classification"], now["sensitivity"]) == ("team-a", "production", "internal")
    [gone] = intervals("repo-1")
    assert gone["valid_to"] == now["valid_from"], "it left the inventory"
    assert first.slug == "repo-0"


def test_rows_of_history_that_were_added_or_ended_since_a_load_are_newer_than_it(connection: Database) -> None:
    board = Board(connection)
    board.publish({"{a}": Judged("failing"), "{b}": Judged("passing")})
    loaded = board.now()
    board.publish({"{a}": Judged("passing"), "{b}": Judged("passing")})
    newer = [row for row in board.history() if row["recorded_at"] > loaded]
    assert [(row["subject_id"], row["status"], row["valid_to"] is None) for row in newer] == [
        ("{a}", "failing", False),
        ("{a}", "passing", True),
    ]


def test_a_day_says_how_many_subjects_were_looked_at_and_how_many_verdicts_repeat_an_older_reading(
    connection: Database,
) -> None:
    board = Board(connection)
    board.publish({"{a}": Judged("passing"), "{b}": Judged("error")})
    statement = "SELECT subjects, observed, not_read FROM compliance.daily_observations WHERE workspace = %s"
    assert [tuple(row.values()) for row in board.query(statement, board.workspace)] == [(2, 2, 1)]
    board.publish({"{a}": Judged("passing"), "{b}": Judged("passing")}, data_as_of=board.now() - timedelta(days=1))
    assert [tuple(row.values()) for row in board.query(statement, board.workspace)] == [(2, 0, 0)], "the same day"
