"""Two workers that share nothing but Postgres, and what befalls one of them in the middle of a run."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from cryptography.fernet import Fernet

from local.postgres import EmbeddedPostgres
from sandbox.process import SandboxServer
from tests.databases import copied, create, drop
from tests.faults.two_workers import STAGES, Network, Reader, Runs, published
from tests.faults.worker import Worker
from tests.harness import bitbucket_connection
from tests.pipeline.small import FAST, small_state

BASE = "two_workers_judged"
HOURS = 3600.0
#: What the server allows a worker that is silent in a transaction, where it would be two minutes.
SILENT_IN_A_TRANSACTION = "1s"


@dataclass
class Case:
    """Two workers on a judged database of their own.

    Attributes:
        workers: the first one reaches Postgres through ``network``.
    """

    postgres: EmbeddedPostgres
    dsn: str
    runs: Runs
    workers: tuple[Worker, Worker]
    network: Network
    asleep: list[Worker] = field(default_factory=list)

    # ---- faults

    @contextmanager
    def killed(self, worker: Worker) -> Iterator[bool]:
        worker.kill()
        yield False

    @contextmanager
    def frozen(self, worker: Worker) -> Iterator[bool]:
        worker.freeze()
        self.asleep.append(worker)
        yield False

    @contextmanager
    def postgres_restarts(self, worker: Worker) -> Iterator[bool]:
        self.postgres.stop()
        self.postgres.start()
        yield True

    @contextmanager
    def sessions_ended(self, worker: Worker) -> Iterator[bool]:
        ending = (
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'compliance: %'"
        )
        with psycopg.connect(
            self.postgres.uri(psycopg.conninfo.conninfo_to_dict(self.dsn)["dbname"], "postgres")
        ) as admin:
            assert admin.execute(ending).fetchall()
        yield True

    @contextmanager
    def network_silent(self, worker: Worker, seconds: float = 2.0) -> Iterator[bool]:
        self.network.fall_silent()
        yield True
        time.sleep(seconds)
        self.network.come_back()

    @contextmanager
    def network_silent_for_30_s(self, worker: Worker) -> Iterator[bool]:
        with self.network_silent(worker, 30.0) as will_answer:
            yield will_answer

    @contextmanager
    def disk_full(self, worker: Worker) -> Iterator[bool]:
        worker.fill_disk(is_full=True)
        yield True

    @contextmanager
    def clock_ahead(self, worker: Worker) -> Iterator[bool]:
        worker.set_clock(6 * HOURS)
        yield True

    @contextmanager
    def clock_behind(self, worker: Worker) -> Iterator[bool]:
        worker.set_clock(-50 * HOURS)
        yield True

    @contextmanager
    def second_run(self, worker: Worker) -> Iterator[bool]:
        answer = self.runs.start(self.workers[1], "second")
        assert answer.end == "skipped" and "is not finished" in answer.value
        yield True

    def heal(self) -> None:
        """What lasted ends: who slept goes on with what it did, clocks are set, disks emptied."""
        for worker in self.asleep:
            worker.wake()
            worker.answer()
        for worker in self.workers:
            if worker.is_there:
                worker.set_clock(0)
                worker.fill_disk(is_full=False)


FAULTS = (
    "killed",
    "frozen",
    "postgres_restarts",
    "sessions_ended",
    "network_silent",
    "disk_full",
    "clock_ahead",
    "clock_behind",
    "second_run",
)


@dataclass
class World:
    """A sandbox that changed since a database was judged, and what a quiet run publishes of it."""

    server: SandboxServer
    postgres: EmbeddedPostgres
    folder: Path
    key: str = field(default_factory=lambda: Fernet.generate_key().decode())
    #: what is published after each run where nothing goes wrong
    quiet: dict[str, dict[str, object]] = field(default_factory=dict)

    @contextmanager
    def case(self, dsn: str, name: str, *, gates: bool = False) -> Iterator[Case]:
        """Two workers at a database; gates cost seconds, and are asked only where they are what is tested."""
        bitbucket = json.dumps(bitbucket_connection(self.server.url, "admin", **FAST, requests_per_hour=0))
        with ExitStack() as stack, closing(Network(self.postgres.port)) as network:
            workers = []
            for number, port in enumerate((network.port, self.postgres.port)):
                address = dsn.replace(f":{self.postgres.port}/", f":{port}/")
                environment = {
                    "AIRFLOW_CONN_COMPLIANCE_POSTGRES": address,
                    "AIRFLOW_CONN_BITBUCKET_DEFAULT": bitbucket,
                    "COMPLIANCE_VAULT_KEY": self.key,
                }
                workers.append(Worker(self.folder / name / str(number), environment, gates=gates))
                stack.callback(workers[-1].end)
            first, second = workers
            yield Case(self.postgres, dsn, Runs(dsn, (first, second)), (first, second), network)


@pytest.fixture(scope="module")
def world(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A workspace that was judged, in which much has changed since."""
    state = small_state(4)
    [workspace] = state.workspaces
    newcomers = workspace.repositories.pop(), workspace.members.pop()
    with pytest.MonkeyPatch.context() as patch, SandboxServer(state) as server:
        for variable in ("COMPLIANCE_DATA_DOCS_URL", "COMPLIANCE_EVIDENCE_URL"):
            patch.delenv(variable, raising=False)
        made = World(server, postgres, tmp_path_factory.mktemp("workers"))
        create(postgres, BASE)
        try:
            with made.case(postgres.uri(BASE), "before") as case:
                case.runs.run("before")
                made.quiet["before"] = published(case.dsn)
            workspace.repositories[0].restrictions = []
            workspace.repositories[1].pull_requests = []
            workspace.repositories.append(newcomers[0])
            workspace.members.append(newcomers[1])
            with copied(postgres, "two_workers_quiet", BASE) as dsn, made.case(dsn, "quiet") as case:
                for run in ("faulty", "next"):
                    case.runs.run(run)
                    made.quiet[run] = published(dsn)
            yield made
        finally:
            drop(postgres, BASE)


CASES = [(fault, stage) for fault in FAULTS for stage in STAGES]
CASES.append(("network_silent_for_30_s", "publish"))


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "stage"), CASES)
def test_whatever_befalls_one_of_two_workers_readers_see_whole_states_and_the_next_run_is_as_any(
    world: World, postgres: EmbeddedPostgres, fault: str, stage: str
) -> None:
    name = f"{fault}_{stage}"
    with copied(postgres, f"two_workers_{name}", BASE) as dsn, world.case(dsn, name, gates=stage == "gate") as case:
        with psycopg.connect(dsn, autocommit=True) as owner:
            owner.execute(
                f"ALTER DATABASE two_workers_{name}"
                f" SET idle_in_transaction_session_timeout = '{SILENT_IN_A_TRANSACTION}'"
            )
        with Reader(dsn) as reader:
            case.runs.run("faulty", stage, getattr(case, fault), gates=stage == "gate")
            case.heal()
            [row] = rows(dsn, "SELECT status, error FROM compliance.runs WHERE run_id = 'faulty'")
            case.runs.run("next", gates=stage == "gate")
        assert row == ("published", None)
        assert published(dsn) == world.quiet["next"]
        assert reader.looks > 5
        for state in reader.seen:
            runs, newest = state.pop("runs"), state.pop("newest")
            assert runs == [newest]
            assert state == world.quiet[str(newest)]
        assert rows(dsn, "SELECT run_id FROM integration.workspace_leases") == []


def rows(dsn: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query).fetchall()
