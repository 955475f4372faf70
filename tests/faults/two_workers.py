"""A run that two workers do together, a fault of one of them in the middle, and a reader who looks all the time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, Final, Self

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from bitbucket_compliance.security_tests import CATALOGUE
from tests.faults.worker import PATIENCE, Answer, Scheduler, Worker

WORKSPACE: Final = "acme"
#: Tries of a step: the first, and the DAG's two retries.
TRIES: Final = 3
#: By stage: the step in which the fault comes, and the table that this step is about to write at that moment.
STAGES: Final = {
    "extract": ("read_chunk", "landing.calls"),
    "stage": ("stage", "staging.pull_requests"),
    "gate": ("gate staging", "quality.expectation_results"),
    "test": ("judge peer_review_required", "judged.verdicts"),
    "publish": ("publish", "compliance.repositories"),
}
LOST: Final = Answer("again", "the worker is gone")

#: What happens to the worker that does a step; what it yields to happens meanwhile. Whether the worker will answer.
Fault = Callable[[Worker], AbstractContextManager[bool]]


class Ended(Exception):
    """A run that ended without publishing, and why."""


class Runs:
    """Hands the steps of runs to workers, as Airflow's scheduler does, and tries again elsewhere what failed.

    Attributes:
        ended: ids of the runs that are over.
    """

    def __init__(self, dsn: str, workers: Sequence[Worker]) -> None:
        self._dsn = dsn
        self._workers = workers
        self._turn = 0
        self.ended: set[str] = set()

    def start(self, worker: Worker, run_id: str) -> Answer:
        """Hand a worker the first step of a run."""
        return worker.do("start_run", WORKSPACE, run_id, True, airflow=Scheduler(frozenset(self.ended)))

    def run(self, run_id: str, stage: str | None = None, fault: Fault | None = None, *, gates: bool = False) -> None:
        """A whole run, its steps by turns; in the stage a fault comes over the first worker.

        Raises:
            Ended: it did not publish.
        """
        failing, table = STAGES[stage] if stage else ("", "")
        try:
            self._done(self.start(self._next(), run_id))
            self._try("preflight", WORKSPACE, run_id)
            self._try("list_workspace", WORKSPACE, run_id)
            chunks = self._try("plan_reading", WORKSPACE, run_id)
            for step in (
                *(("read_chunk", WORKSPACE, run_id, chunk) for chunk in chunks),
                ("stage", WORKSPACE, run_id),
                *([("gate", WORKSPACE, run_id, "staging")] if gates else []),
                *(("judge", WORKSPACE, run_id, test.test_id) for test in CATALOGUE),
                *([("gate", WORKSPACE, run_id, "results")] if gates else []),
                ("publish", WORKSPACE, run_id),
            ):
                named = " ".join((step[0], *step[3:])) if step[0] in ("gate", "judge") else step[0]
                self._try(*step, fault=fault if named == failing else None, table=table)
        finally:
            self._try("finish_run", WORKSPACE, run_id)
            self.ended.add(run_id)

    def _next(self) -> Worker:
        there = [worker for worker in self._workers if worker.is_there]
        self._turn += 1
        return there[self._turn % len(there)]

    def _try(self, call: str, *arguments: object, fault: Fault | None = None, table: str = "") -> Any:
        answer = self._under(fault, table, call, *arguments) if fault else self._next().do(call, *arguments)
        for _ in range(TRIES - 1):
            if answer.end != "again":
                break
            answer = (self._workers[1] if fault else self._next()).do(call, *arguments)
        return self._done(answer)

    def _under(self, fault: Fault, table: str, *step: Any) -> Answer:
        """The step on the first worker, which is held up at a table until the fault has come."""
        worker = self._workers[0]
        with held_up(self._dsn, table) as release:
            worker.begin(*step)
            release.wait_until_it_is_met(by=worker)
            with fault(worker) as will_answer:
                release()
        return worker.answer() if will_answer else LOST

    @staticmethod
    def _done(answer: Answer) -> Any:
        if answer.end != "done":
            raise Ended(f"{answer.end}: {answer.value}")
        return answer.value


class _HeldUp:
    def __init__(self, connection: psycopg.Connection[Any], dsn: str, table: str) -> None:
        self._connection, self._dsn, self._table = connection, dsn, table

    def wait_until_it_is_met(self, by: Worker) -> None:
        """Until the worker wants to write the table."""
        wanted = "SELECT 1 FROM pg_locks WHERE relation = %s::regclass AND NOT granted"
        with psycopg.connect(self._dsn, autocommit=True) as watcher:
            deadline = time.monotonic() + PATIENCE
            while not watcher.execute(wanted, (self._table,)).fetchone():
                assert not by.has_answered(), f"it never came to {self._table}: {by.answer()}"
                assert time.monotonic() < deadline, f"nobody came to {self._table}"
                time.sleep(0.02)

    def __call__(self) -> None:
        """Let go; the server may have restarted."""
        with suppress(psycopg.Error):
            self._connection.rollback()


@contextmanager
def held_up(dsn: str, table: str) -> Iterator[_HeldUp]:
    """Whoever writes the table waits; whoever reads it doesn't."""
    # However long the worker takes to come here.
    connection = psycopg.connect(dsn, options="-c idle_in_transaction_session_timeout=0")
    lock = sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(sql.Identifier(*table.split(".")))
    try:
        connection.execute(lock)
        yield _HeldUp(connection, dsn, table)
    finally:
        connection.close()


# --------------------------------------------------------------------------------------------- what readers see

_WHOLE = """
SELECT
    (SELECT array_agg(DISTINCT run_id) FROM compliance.current_results WHERE workspace = %(workspace)s) AS runs,
    (
        SELECT jsonb_agg(
            jsonb_build_array(test_id, subject_name, status, basis, reason_code) ORDER BY test_id, subject_id
        )
        FROM compliance.current_results
        WHERE workspace = %(workspace)s
    ) AS results,
    (
        SELECT jsonb_agg(
            jsonb_build_array(test_id, subject_name, status, basis, reason_code) ORDER BY test_id, subject_id
        )
        FROM compliance.result_history
        WHERE valid_to IS null AND workspace = %(workspace)s
    ) AS open,
    (
        SELECT jsonb_agg(jsonb_build_array(test_id, subject_name, ended_because) ORDER BY test_id, subject_id, found_at)
        FROM compliance.findings
        WHERE workspace = %(workspace)s
    ) AS findings,
    (SELECT jsonb_agg(slug ORDER BY slug) FROM compliance.repositories WHERE workspace = %(workspace)s) AS repositories,
    (
        SELECT jsonb_agg(display_name ORDER BY member_id)
        FROM compliance.members
        WHERE workspace = %(workspace)s
    ) AS members,
    (SELECT count(*) FROM compliance.result_history WHERE workspace = %(workspace)s) AS intervals
"""
_PUBLISHED = """
SELECT run_id
FROM compliance.runs
WHERE status = 'published' AND workspace = %(workspace)s
ORDER BY finished_at DESC NULLS FIRST
LIMIT 1
"""


def published(dsn: str, workspace: str = WORKSPACE) -> dict[str, Any]:
    """All that is published of a workspace, without times and ids."""
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        row = connection.execute(_WHOLE, {"workspace": workspace}).fetchone()
    assert row is not None
    return {name: value for name, value in row.items() if name != "runs"}


class Reader(threading.Thread):
    """Looks at what is published of a workspace again and again, each time at one moment.

    Attributes:
        seen: every state that differs from the one seen before.
        looks: how often it looked.
    """

    def __init__(self, dsn: str, workspace: str = WORKSPACE, pause: float = 0.05) -> None:
        super().__init__(daemon=True)
        self._dsn = dsn
        self._asked = {"workspace": workspace}
        self._pause = pause
        self._over = threading.Event()
        self.seen: list[dict[str, Any]] = []
        self.looks = 0

    def run(self) -> None:
        """Look until told to stop; a server that is down is waited for."""
        while not self._over.is_set():
            with suppress(psycopg.OperationalError), psycopg.connect(self._dsn, row_factory=dict_row) as connection:
                connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                while not self._over.wait(self._pause):
                    whole, newest = (
                        connection.execute(query, self._asked).fetchone() for query in (_WHOLE, _PUBLISHED)
                    )
                    connection.rollback()
                    assert whole is not None
                    self.looks += 1
                    state = {**whole, "newest": newest and newest["run_id"]}
                    if not self.seen or self.seen[-1] != state:
                        self.seen.append(state)
            self._over.wait(0.1)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join(30)


# -------------------------------------------------------------------------------------------------- the network


class Network:
    """A way to a port of this machine that can fall silent: nothing arrives on either side, and nothing is closed."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._is_up = threading.Event()
        self._is_up.set()
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        threading.Thread(target=self._let_in, daemon=True).start()

    def fall_silent(self) -> None:
        """From now on."""
        self._is_up.clear()

    def come_back(self) -> None:
        """What was sent meanwhile arrives."""
        self._is_up.set()

    def close(self) -> None:
        """Let nobody in any more."""
        self._is_up.set()
        self._door.close()

    def _let_in(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._door.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self._to))
                except OSError:
                    near.close()
                    continue
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._hand_on, args=(one, other), daemon=True).start()

    def _hand_on(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                self._is_up.wait()
                other.sendall(data)
        self._is_up.wait()
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
