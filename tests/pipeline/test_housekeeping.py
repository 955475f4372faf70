"""Housekeeping: what policy keeps no longer goes, in batches; what verdicts rest on, and history, stays."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from bitbucket_compliance.core.errors import PolicyInvalid
from bitbucket_compliance.pipeline.housekeeping import housekeeping
from bitbucket_compliance.pipeline.housekeeping.housekeeping import forget_old
from bitbucket_compliance.registry.exceptions import ExceptionRequest, decide, request
from bitbucket_compliance.tasks import housekeeping as tasks
from tests.pipeline.board import PEERS, Board, Judged

ACME = "acme"


@pytest.fixture
def worker(dsn: str) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """A connection with the rights of the pipeline and no more."""
    with psycopg.connect(dsn, row_factory=dict_row) as opened:
        opened.execute("SET TIME ZONE 'UTC'")
        opened.execute("SET ROLE compliance_pipeline")
        opened.commit()
        yield opened


@pytest.fixture
def landed(database: psycopg.Connection[dict[str, Any]]) -> Landed:
    return Landed(database)


class Landed:
    """The landing zone, filled by hand; ages in days before now."""

    def __init__(self, database: psycopg.Connection[dict[str, Any]]):
        self.database = database

    def run(self, workspace: str = ACME) -> None:
        """A run of the workspace, so that it is known."""
        self.database.execute(
            "INSERT INTO integration.runs (run_id, workspace, started_at, policy_version) VALUES (%s, %s, now(), 'p')",
            (f"run of {workspace}", workspace),
        )

    def body(self, key: str, text: str, first: float, last: float, workspace: str = ACME) -> None:
        """A body of an object, seen first and last so many days ago."""
        self.database.execute(
            "INSERT INTO landing.objects (workspace, resource, object_key, body_hash, body, first_fetched_at,"
            " fetched_at, run_id) VALUES (%s, 'repositories', %s, %s, '{}', now() - %s, now() - %s, 'r')",
            (workspace, key, text, timedelta(days=first), timedelta(days=last)),
        )

    def left(self) -> set[str]:
        """Object and body of what is there."""
        rows = self.database.execute("SELECT object_key || ' ' || body_hash AS name FROM landing.objects").fetchall()
        return {row["name"] for row in rows}


Worker = psycopg.Connection[dict[str, Any]]


def test_a_body_goes_once_it_was_not_seen_for_as_long_as_policy_keeps_it(landed: Landed, worker: Worker) -> None:
    landed.run()
    landed.body("a", "old", 500, 402)
    landed.body("a", "seen within the period", 500, 399)
    landed.body("a", "newest", 1, 0)
    # a body read up to reread_hours before a verdict is what the verdict rests on
    landed.body("b", "read before the oldest verdict", 500, 400.5)
    landed.body("b", "newest", 1, 0)
    assert forget_old(worker) == 1
    assert landed.left() == {
        "a seen within the period",
        "a newest",
        "b read before the oldest verdict",
        "b newest",
    }


def test_the_newest_body_of_an_object_stays_however_old_it_is(landed: Landed, worker: Worker) -> None:
    landed.run()
    landed.body("a", "old", 3000, 2000)
    landed.body("a", "newest", 1999, 1999)
    landed.body("b", "only one", 3000, 3000)
    landed.body("c", "came back", 3000, 3000)
    landed.body("c", "between", 2900, 2900)
    landed.body("c", "came back", 2800, 2700)
    assert forget_old(worker) == 3
    rows = landed.database.execute(
        "SELECT object_key, round(extract(epoch FROM now() - fetched_at) / 86400) AS days FROM landing.objects"
    ).fetchall()
    assert {(row["object_key"], int(row["days"])) for row in rows} == {("a", 1999), ("b", 3000), ("c", 2700)}


def test_many_bodies_go_in_batches_that_are_committed_one_by_one(
    landed: Landed, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    landed.run()
    for number in range(7):
        landed.body("a", str(number), 600 - number, 600 - number)
    landed.body("a", "newest", 1, 0)
    monkeypatch.setattr(housekeeping, "BATCH", 3)
    sizes = []

    def counting(connection: Any, path: str, keys: Any = None) -> Any:
        done = housekeeping_run_sql(connection, path, keys)
        if path.endswith("forget_bodies.sql"):
            sizes.append(len(landed.left()))
        return done

    housekeeping_run_sql = housekeeping.run_sql
    monkeypatch.setattr(housekeeping, "run_sql", counting)
    assert forget_old(worker) == 7
    assert sizes == [8, 5, 2], "another connection sees what was committed before"
    assert landed.left() == {"a newest"}


def test_each_workspace_keeps_what_its_own_policy_says(landed: Landed, worker: Worker) -> None:
    for workspace in (ACME, "other"):
        landed.run(workspace)
        landed.body(workspace, "old", 90, 50, workspace)
        landed.body(workspace, "newest", 1, 0, workspace)
    landed.database.execute(
        "INSERT INTO registry.policy_overrides (workspace, body, set_by)"
        " VALUES ('acme', '{\"thresholds\": {\"bodies_kept_days\": 30}}', 'os:tester')"
    )
    assert forget_old(worker) == 1
    assert landed.left() == {"acme newest", "other old", "other newest"}


def test_a_policy_that_can_not_be_read_holds_up_no_other_workspace_and_is_told(landed: Landed, worker: Worker) -> None:
    for workspace in (ACME, "other"):
        landed.run(workspace)
        landed.body(workspace, "old", 900, 800, workspace)
        landed.body(workspace, "newest", 1, 0, workspace)
    landed.database.execute(
        "INSERT INTO registry.policy_overrides (workspace, body, set_by)"
        " VALUES ('acme', '{\"thresholds\": {\"bodies\": 30}}', 'os:tester')"
    )
    with pytest.raises(PolicyInvalid, match=r"workspace acme: thresholds\.bodies: unknown key"):
        forget_old(worker)
    assert landed.left() == {"acme old", "acme newest", "other newest"}, "in doubt everything stays"


def test_what_gates_and_steps_noted_goes_too_and_runs_and_history_stay(
    landed: Landed, worker: Worker, database: psycopg.Connection[dict[str, Any]]
) -> None:
    landed.run()
    for age in (500, 10):
        database.execute(
            "INSERT INTO quality.expectation_results (workspace, run_id, gate, suite, expectation, description,"
            " severity, success, evaluated_at)"
            " VALUES ('acme', %s, 'staging', 's', 'e', 'd', 'critical', true, now() - %s)",
            (str(age), timedelta(days=age)),
        )
        database.execute(
            "INSERT INTO integration.run_steps (run_id, workspace, step, started_at, finished_at)"
            " VALUES (%s, 'acme', 'stage', now() - %s, now())",
            (str(age), timedelta(days=age)),
        )
        database.execute(
            "INSERT INTO integration.request_ledger (consumer, bin, requests) VALUES ('c', now() - %s, 1)",
            (timedelta(days=age),),
        )
        database.execute(
            "INSERT INTO compliance.result_history (workspace, test_id, subject_type, subject_id, severity, status,"
            " reason_code, reason, detail, facts_hash, policy_version, run_id, valid_from, valid_to)"
            " VALUES ('acme', 't', 'repository', %s, 'high', 'passing', 'c', 'r', '{}', 'h', 'p', 'r',"
            " now() - %s - interval '1 day', now() - %s)",
            (str(age), timedelta(days=age), timedelta(days=age)),
        )
    database.execute("UPDATE integration.runs SET started_at = now() - interval '500 days'")
    forget_old(worker)
    kept = {
        table: database.execute(f"SELECT count(*) AS rows FROM {table}").fetchall()[0]["rows"]  # noqa: S608
        for table in (
            "quality.expectation_results",
            "integration.run_steps",
            "integration.request_ledger",
            "compliance.result_history",
            "integration.runs",
        )
    }
    assert list(kept.values()) == [1, 1, 1, 2, 1]


def test_the_tasks_of_the_dag_do_both(landed: Landed, worker: Worker, capsys: pytest.CaptureFixture[str]) -> None:
    board = Board(worker)
    state = {"{a}": Judged("failing")}
    board.publish(state)
    asked = ExceptionRequest(
        PEERS, board.workspace, "os:ada", "moving away", board.now() + timedelta(days=1), subject="a"
    )
    noted = request(worker, asked, requested_by="os:ada")
    decide(worker, noted.exception_id, "accept", decided_by="os:ben")
    worker.commit()
    landed.run()
    landed.body("a", "old", 900, 800)
    landed.body("a", "newest", 1, 0)
    tasks.reopen_expired()
    tasks.forget_old()
    assert str(board.current()["{a}"]["exception_id"]) == noted.exception_id
    assert landed.left() == {"a newest"}


def test_a_line_of_a_replaced_roster_goes_where_a_later_one_says_the_same_of_the_person(
    database: psycopg.Connection[dict[str, Any]], worker: Worker
) -> None:
    def roster(age: int, *people: tuple[str | None, str | None, str | None, list[str]], name: str = "main") -> int:
        """A roster of so many days ago with a line for each person: address, name, account, other addresses."""
        [made] = database.execute(
            "INSERT INTO registry.imports (kind, file_name, file_sha256, row_count, imported_by, imported_at,"
            " roster_name) VALUES ('roster', 'r.csv', 'x', 1, 'os:tester', now() - %s, %s) RETURNING import_id",
            (timedelta(days=age), name),
        ).fetchall()
        for line, person in enumerate(people, 1):
            database.execute(
                "INSERT INTO registry.people (import_id, line, status, email, name, account_id, other_emails)"
                " VALUES (%s, %s, 'active', %s, %s, %s, %s)",
                (made["import_id"], line, *person),
            )
        return int(made["import_id"])

    same = ("ada@x.org", "Ada", None, ["a@x.org"])
    old = roster(
        900,
        same,
        ("bo@x.org", "", None, []),
        ("cy@x.org", "Cy", None, []),
        ("di@x.org", "Di", "1", []),
        ("ed@x.org", "Ed", None, ["e1", "e2"]),
        ("flo@x.org", "Flo", None, []),
    )
    roster(890, ("flo@x.org", "Flo", None, []))
    taken_back = roster(880, ("cy@x.org", "Cy", None, []))
    elsewhere = roster(870, same, name="contractors")
    newest = roster(
        860, same, ("bo@x.org", None, None, []), ("di@x.org", "Di", None, []), ("ed@x.org", "Ed", None, ["e1 e2"])
    )
    database.execute(
        "INSERT INTO registry.import_withdrawals (import_id, taken_back_by, reason) VALUES (%s, 'os:tester', 'wrong')",
        (taken_back,),
    )
    forget_old(worker)
    left = {
        (row["import_id"], row["line"])
        for row in database.execute("SELECT import_id, line FROM registry.people").fetchall()
    }
    assert (old, 1) not in left, "the newest roster says just that of Ada"
    assert {(old, line) for line in (2, 3, 4, 5)} <= left, "no roster that stands does of Bo, Cy, Di and Ed"
    assert (old, 6) not in left, "Flo left: the last line that names her stays"
    assert {(old + 1, 1), (taken_back, 1), (elsewhere, 1), *((newest, line) for line in (1, 2, 3, 4))} <= left
