"""From delivery to published verdict, in a live Airflow; ``make bench-webhooks``.

Started as a person would: embedded Postgres, the receiver as a process of its own, Airflow with scheduler and
triggerer, and the sandbox, which delivers signed webhooks. Two things are measured: single merges without an approval,
one after the other, from the receipt of the delivery to the published verdict, with the share that Airflow's scheduler
has of it; and a burst of 1,000 deliveries in 10 s, of which nothing may be lost or doubled. At the end a whole run
reads everything again: it must find what the events led to.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
from cryptography.fernet import Fernet
from psycopg.rows import dict_row

from bitbucket_compliance.core.postgres_address import POSTGRES_CONNECTION
from local import environment as env
from local.postgres import EmbeddedPostgres
from sandbox import actions
from sandbox.process import SandboxServer
from sandbox.reference import SLUG as WORKSPACE
from sandbox.reference import reference_state
from tests.bench.goals import Goals
from tests.receiving import free_port

MOST_SECONDS = 12.0
MOST_ANSWER_MS = 100.0
SINGLES = 9
#: an event that follows another one within a minute waits whether more come (dags/bitbucket_events.py)
APART = 61.0
DELIVERIES = 1000
BURST_SECONDS = 10.0
PATIENCE = 240.0


def main(argv: list[str] | None = None) -> None:
    """Print the figures; exit code 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repositories", type=int, default=40)
    parser.add_argument("--singles", type=int, default=SINGLES)
    parser.add_argument("--deliveries", type=int, default=DELIVERIES)
    options = parser.parse_args(argv)
    goals = Goals()
    with tempfile.TemporaryDirectory() as folder, live(Path(folder), options.repositories) as stack:
        stack.whole_run()
        print(f"{os.cpu_count()} cores; {options.repositories} repositories", flush=True)
        measure_singles(stack, options.singles, goals)
        measure_burst(stack, options.deliveries, goals)
        compare_with_a_whole_run(stack, goals)
    goals.show()


# ------------------------------------------------------------------------------------------------ measuring


def measure_singles(stack: Stack, count: int, goals: Goals) -> None:
    """Merges without an approval, each a minute after the last one was announced."""
    rows = []
    for number in range(count):
        time.sleep(APART)
        before, spent = stack.last_event(), processor_seconds()
        stack.merge(number)
        rows.append(stack.answered_after(before))
        rows[-1]["processor"] = processor_seconds() - spent
    total = [row["total"] for row in rows]
    print(f"\n{count} single merges: from delivery to published verdict")
    for name, what in (
        ("total", "delivery to published verdict"),
        ("waiting", "  waits whether more comes (the burst's end)"),
        ("starting", "  Airflow: from the announcement to the first step of the run"),
        ("working", "  the run's own steps"),
        ("between", "  Airflow: between the steps"),
        ("processor", "processor time of everything meanwhile"),
    ):
        values = [row[name] for row in rows]
        print(f"  {what:<62} median {statistics.median(values):5.1f} s, longest {max(values):5.1f} s")
    goals.add("median seconds from delivery to published verdict", statistics.median(total), MOST_SECONDS)


def processor_seconds() -> float:
    """Processor time of all that this process started and what that started, whatever has ended included."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def measure_burst(stack: Stack, deliveries: int, goals: Goals) -> None:
    """Many deliveries in ten seconds."""
    before, runs_before = stack.last_event(), stack.runs()
    attempts_before = len(stack.server.state.deliveries.attempts)
    started, unhealthy, checks = time.monotonic(), 0, 0
    for number in range(deliveries):
        stack.emit(number)
        # At an even pace, whatever the single one took.
        ahead = started + (number + 1) * BURST_SECONDS / deliveries - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        if number % 100 == 99:
            checks += 1
            unhealthy += not stack.is_healthy()
    stack.server.state.deliveries.drain(60)
    sent_in = time.monotonic() - started
    while stack.waiting():
        checks += 1
        unhealthy += not stack.is_healthy()
        time.sleep(2)
        if time.monotonic() - started > PATIENCE:
            break
    attempts = stack.server.state.deliveries.attempts[attempts_before:]
    accepted = {one.request_uuid for one in attempts if 200 <= one.status < 300}
    rows = stack.query(
        "SELECT count(*) AS events, count(DISTINCT request_id) AS requests,"
        " count(*) FILTER (WHERE handled_at IS NULL) AS waiting, max(handled_at) - min(received_at) AS span"
        " FROM integration.webhook_events WHERE event_id > %s",
        (before,),
    )[0]
    answer_ms = statistics.median(one.seconds * 1000 for one in attempts)
    runs = stack.runs() - runs_before
    print(
        f"\na burst of {deliveries} deliveries in {sent_in:.1f} s: {len(accepted)} accepted, {rows['events']} events, "
        f"{rows['waiting']} waiting, {runs} runs, all answered after {rows['span'].total_seconds():.0f} s; "
        f"answers of the receiver: median {answer_ms:.0f} ms, slowest {max(one.seconds for one in attempts):.2f} s; "
        f"scheduler healthy {checks - unhealthy} of {checks} times"
    )
    goals.add("deliveries not accepted", deliveries - len(accepted), 0)
    goals.add("events lost", len(accepted) - rows["requests"], 0)
    goals.add("events doubled", rows["events"] - rows["requests"], 0)
    goals.add("events never answered", rows["waiting"], 0)
    goals.add("runs for the burst", runs, 2)
    goals.add("median milliseconds of the receiver's answers", answer_ms, MOST_ANSWER_MS)
    goals.add("times the scheduler did not answer", unhealthy, 0)


def compare_with_a_whole_run(stack: Stack, goals: Goals) -> None:
    """What the events led to, beside what a run finds that reads everything."""
    by_events = stack.published()
    stack.whole_run(full_refresh=True)
    other = sum(row != by_events.get(key) for key, row in stack.published().items())
    print(f"\na whole run afterwards: {other} of {len(by_events)} verdicts differ from what the events led to")
    goals.add("verdicts that a whole run finds otherwise", other, 0)


# ------------------------------------------------------------------------------------------------ the stack


@dataclass
class Stack:
    """Everything that runs."""

    server: SandboxServer
    dsn: str
    url: str
    token: str

    def query(self, statement: str, values: tuple[object, ...] = ()) -> list[dict[str, Any]]:
        """Rows of one statement."""
        with psycopg.connect(self.dsn, row_factory=dict_row) as connection:
            return connection.execute(statement, values).fetchall()  # type: ignore[arg-type]

    def last_event(self) -> int:
        """The newest event's number; 0 without any."""
        return int(self.query("SELECT coalesce(max(event_id), 0) AS id FROM integration.webhook_events")[0]["id"])

    def waiting(self) -> int:
        """Events without an answer."""
        return int(self.query("SELECT count(*) AS n FROM integration.webhook_events WHERE handled_at IS NULL")[0]["n"])

    def runs(self) -> int:
        """Runs for events so far."""
        return int(self.query("SELECT count(*) AS n FROM integration.runs WHERE kind = 'events'")[0]["n"])

    def published(self) -> dict[tuple[str, str], tuple[object, ...]]:
        """Verdicts without times."""
        rows = self.query("SELECT * FROM compliance.current_results")
        return {
            (row["test_id"], row["subject_id"]): (row["status"], row["basis"], row["reason_code"], row["facts_hash"])
            for row in rows
        }

    def merge(self, number: int) -> None:
        """Merge an open pull request of a repository without anybody's approval."""
        repository = self.server.state.workspaces[0].repositories[number % self._repositories]
        opened = next(pull for pull in repository.pull_requests if pull.state == "OPEN")
        for participant in opened.participants:
            participant.approved = False
        actions.merge(self.server.state, repository=repository.slug, pull_request=opened.id)

    def emit(self, number: int) -> None:
        """Something small on one of the repositories."""
        repository = self.server.state.workspaces[0].repositories[number % self._repositories]
        if number % 50 == 0:
            self.merge(number)
            return
        opened = next(pull for pull in repository.pull_requests if pull.state == "OPEN")
        actions.update_pull_request(self.server.state, repository=repository.slug, pull_request=opened.id)

    @property
    def _repositories(self) -> int:
        return len(self.server.state.workspaces[0].repositories)

    def answered_after(self, before: int) -> dict[str, float]:
        """Seconds of each part of the way of the events after this one, once they are answered."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            rows = self.query(
                """
                SELECT
                    min(events.received_at) AS received,
                    min(runs.started_at) AS started,
                    max(events.handled_at) AS handled,
                    min(events.announced_at) AS announced,
                    bool_and(events.handled_at IS NOT NULL) AS done,
                    min(events.run_id) AS run_id
                FROM integration.webhook_events AS events
                LEFT JOIN integration.runs AS runs ON events.run_id = runs.run_id
                WHERE events.event_id > %s
                """,
                (before,),
            )
            row = rows[0]
            if row["done"]:
                steps = self.query(
                    "SELECT coalesce(sum(extract(EPOCH FROM finished_at - started_at)), 0)::float AS seconds"
                    " FROM integration.run_steps WHERE run_id = %s AND started_at <= %s",
                    (row["run_id"], row["handled"]),
                )
                seconds = steps[0]["seconds"]
                span = (row["handled"] - row["started"]).total_seconds()
                return {
                    "total": (row["handled"] - row["received"]).total_seconds(),
                    "waiting": (row["announced"] - row["received"]).total_seconds(),
                    "starting": (row["started"] - row["announced"]).total_seconds(),
                    "working": seconds,
                    "between": max(0.0, span - seconds),
                }
            time.sleep(0.25)
        raise SystemExit(f"an event was not answered within {PATIENCE:.0f} s; see the runs in Airflow at {self.url}")

    def is_healthy(self) -> bool:
        """Whether the scheduler answers."""
        with suppress(OSError, ValueError):
            return self._api("GET", "/api/v2/monitor/health")["scheduler"]["status"] == "healthy"
        return False

    def whole_run(self, *, full_refresh: bool = False) -> None:
        """A polling run through Airflow, to its end."""
        conf = {"workspace": WORKSPACE, "full_refresh": full_refresh}
        made = self._api("POST", "/api/v2/dags/bitbucket_compliance/dagRuns", {"conf": conf, "logical_date": None})
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            state = self._api("GET", f"/api/v2/dags/bitbucket_compliance/dagRuns/{made['dag_run_id']}")["state"]
            if state == "success":
                if not self.query("SELECT 1 FROM integration.runs WHERE run_id = %s", (made["dag_run_id"],)):
                    # The schedule's own run was at work, and this one skipped.
                    time.sleep(5)
                    self.whole_run(full_refresh=full_refresh)
                return
            if state == "failed":
                raise SystemExit(f"the whole run failed; see {self.url}")
            time.sleep(0.5)
        raise SystemExit(f"the whole run did not end within {PATIENCE:.0f} s")

    def _api(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - our own
            f"{self.url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return json.load(answer)


@contextmanager
def live(folder: Path, repositories: int) -> Iterator[Stack]:
    """Sandbox, Postgres, receiver and Airflow, with the workspace's webhook registered."""
    state = reference_state(repositories)
    receiver_port = free_port()
    address = f"http://127.0.0.1:{receiver_port}/webhooks/bitbucket"
    with SandboxServer(state) as server:
        settings = {
            "auth": "client_credentials",
            "oauth_url": server.url,
            "workspaces": [WORKSPACE],
            "requests_per_hour": 0,
        }
        connection = {"conn_type": "bitbucket", "host": server.url, "extra": settings}
        connection["login"], connection["password"] = env.SANDBOX_GRANTS["admin"]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(env.ROOT / "include"), str(env.ROOT / "plugins"))),
            env.BITBUCKET_CONNECTION: json.dumps(connection),
            env.WEBHOOK_KEY: Fernet.generate_key().decode(),
            "COMPLIANCE_WEBHOOK_URL": address,
            "COMPLIANCE_RECEIVER_PORT": str(receiver_port),
        }
        (folder / "logs").mkdir()
        up = [sys.executable, "-m", "tests.console_browser.up", str(folder), "admin"]
        with running(up, environment, folder / "up.log"):
            url, token = signed_in(folder)
            dsn = EmbeddedPostgres(folder / "postgres").uri()
            environment[POSTGRES_CONNECTION] = env.postgres_connection(dsn)
            receiver = [sys.executable, "-m", "bitbucket_webhooks"]
            with running(receiver, environment, folder / "receiver.log"):
                register(environment)
                yield Stack(server, dsn, url, token)


def register(environment: dict[str, str]) -> None:
    """As `make webhooks` does."""
    done = subprocess.run(
        [sys.executable, "-m", "local", "webhooks", "--action=ensure"],
        cwd=env.ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"the webhook could not be registered: {done.stdout}{done.stderr}")


@contextmanager
def running(command: list[str], environment: dict[str, str], log_file: Path) -> Iterator[None]:
    """A process of its own session, ended with the context."""
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            command, cwd=env.ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(40)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def signed_in(folder: Path) -> tuple[str, str]:
    """Airflow's address and a token of its administrator, once it is healthy."""
    home = folder / "airflow-web"
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(OSError, ValueError, KeyError, urllib.error.URLError):
            url = json.loads((home / "up.json").read_text())["url"]
            with urllib.request.urlopen(f"{url}/api/v2/monitor/health", timeout=5) as answer:  # noqa: S310
                health = json.load(answer)
            if all(health[part]["status"] == "healthy" for part in ("scheduler", "dag_processor", "triggerer")):
                password = json.loads((home / "passwords.json").read_text())["admin"]
                return url, token_of(url, password)
        time.sleep(0.5)
    raise SystemExit(f"Airflow did not come up; see {folder / 'up.log'}")


def token_of(url: str, password: str) -> str:
    """A token for Airflow's API."""
    request = urllib.request.Request(  # noqa: S310 - our own
        f"{url}/auth/token",
        data=json.dumps({"username": "admin", "password": password}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return str(json.load(answer)["access_token"])


if __name__ == "__main__":
    main()
