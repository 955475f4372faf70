"""Two days of hourly runs on a fake clock: how old readings get where requests are few.

Real: the planner (``plan_reading`` with its SQL, in Postgres, with the run's start on the fake clock) and what it logs;
the request ledger in Postgres on the same clock, with its rolling hour, and the limit that an access token's headers
state; how readings are noted (``land_reads.sql``), what later runs know of the costs, and which runs are forgotten.

Modelled, in place of Bitbucket and of the reader:

* a first reading costs so many requests and a later one so many, whatever the repository; a run's preflight and
  listings come on top, with a page for every hundred repositories;
* requests leave at ``PACE``, as with eight connections and a fifth of a second for an answer;
* a run reads in the planned order. When requests run out it waits for more, as long as they come before the next run
  starts; else it leaves the rest to that one, at most one repository having been begun in vain. That flatters a reader
  that begins many at a time: ``tests.bench.requests`` prints what it does beside this;
* each hour a part of the repositories, drawn by a hash, is touched just before the run starts.

An age is told at the end of its hour, just before the next run starts: as old as anybody sees it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from bitbucket_cloud.client.endpoints import ENDPOINTS
from bitbucket_cloud.database import Database
from bitbucket_cloud.rate_limit.ledger import PostgresLedger, consumer_of
from bitbucket_cloud.rate_limit.limiter import RateLimiter
from bitbucket_cloud.settings import ACCESS_TOKEN, CLIENT_CREDENTIALS, Settings
from bitbucket_compliance.core.database import Connection, run_sql
from bitbucket_compliance.pipeline.extract.plan import plan
from bitbucket_compliance.pipeline.run.run import RUNS_KEPT, Run
from bitbucket_compliance.security_tests.policies import load_policy

SIZES = (500, 2_000, 10_000)
#: Of an OAuth consumer, and the most that an access token gets.
OAUTH_LIMIT, TOKEN_LIMIT = 1_000, 10_000
#: Requests a second, and seconds that are booked at a time.
PACE, STEP = 40, 10
HOUR = timedelta(hours=1)
START = datetime(2026, 1, 1, tzinfo=UTC)

_FORGET: tuple[LiteralString, ...] = (
    "DELETE FROM landing.work_items WHERE workspace = %s",
    "DELETE FROM landing.calls WHERE workspace = %s",
    "DELETE FROM landing.repository_reads WHERE workspace = %s",
    "DELETE FROM staging.repositories WHERE workspace = %s",
)


@dataclass(frozen=True)
class Costs:
    """Requests, and the scopes they go with.

    Attributes:
        first: of a repository's first reading.
        later: of a later one.
        other: of a run besides its readings and the pages that list the repositories.
        scopes: with the implied ones.
    """

    first: float
    later: float
    other: int
    scopes: tuple[str, ...]

    def listings(self, repositories: int) -> int:
        """Of a run besides its readings."""
        return self.other + math.ceil(repositories / (ENDPOINTS["repositories"].page_max or 1))


@dataclass(frozen=True)
class Hour:
    """A run and what the workspace was like an hour after it started.

    Attributes:
        plan: the run's own.
        requests: that it sent.
        never_read: repositories without a reading.
        oldest: hours since the stalest reading.
        first_readings_end: hours from the first run's start to the last first reading of this run; None without one.
    """

    plan: dict[str, Any]
    requests: int
    never_read: int
    oldest: float
    first_readings_end: float | None


@dataclass
class Course:
    """What became of one workspace under one limit."""

    repositories: int
    limit: int
    hours: list[Hour] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.repositories:,} repositories, {self.limit:,} an hour"

    @property
    def synced_after(self) -> float | None:
        """Hours from the first run's start until every repository had been read."""
        return next((hour.first_readings_end for hour in self.hours if not hour.never_read), None)

    @property
    def fits(self) -> bool:
        """Whether the planner says so, and the first sync is over."""
        return self.synced_after is not None and self.hours[-1].plan["times_too_large"] is None

    @property
    def oldest_once_read(self) -> float:
        """Hours that the stalest reading reached after the first sync."""
        return max((hour.oldest for hour in self.hours if not hour.never_read), default=0.0)


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self.now += timedelta(seconds=seconds)


def simulate(dsn: str, costs: Costs, hours: int, touched: float) -> list[Course]:
    """A course for each size and limit.

    Args:
        dsn: of a migrated, empty database.
        costs: of readings.
        hours: so many runs.
        touched: the part of the repositories that is touched in an hour.
    """
    courses = [Course(size, limit) for size in SIZES for limit in (OAUTH_LIMIT, TOKEN_LIMIT)]
    for course in courses:
        with psycopg.connect(dsn, row_factory=dict_row) as connection, _warnings(course.said):
            workspace = _Workspace(connection, dsn, course, costs)
            for _ in range(hours):
                workspace.touch(touched)
                course.hours.append(workspace.run())
            workspace.forget()
    return courses


@contextmanager
def _warnings(said: list[str]) -> Iterator[None]:
    """Collect what the planner warns of instead of showing it."""

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    collector = Collector(logging.WARNING)
    disabled, propagate = logging.root.manager.disable, plan.log.propagate
    logging.disable(logging.INFO)
    plan.log.addHandler(collector)
    plan.log.propagate = False
    try:
        yield
    finally:
        plan.log.propagate = propagate
        plan.log.removeHandler(collector)
        logging.disable(disabled)


class _Workspace:
    """One workspace, its clock and its ledger."""

    def __init__(self, connection: Connection, dsn: str, course: Course, costs: Costs) -> None:
        self._connection = connection
        self._course = course
        self._costs = costs
        self._name = f"{course.repositories}-at-{course.limit}"
        self._clock = Clock(START)
        self._policy = load_policy()
        # The token's limit is the one that Bitbucket states; the connection keeps the default.
        auth = ACCESS_TOKEN if course.limit > OAUTH_LIMIT else CLIENT_CREDENTIALS
        self._settings = Settings("bench", auth=auth, login=self._name, password=self._name)
        self._headers = {"X-RateLimit-Limit": str(course.limit)}
        database = Database(lambda: psycopg.connect(dsn), "the benchmark's database")
        consumer = consumer_of(self._settings)
        self._ledger = PostgresLedger(database, consumer, clock=self._clock, sleep=self._clock.advance)
        connection.execute(
            "INSERT INTO registry.policy_versions (policy_version, body) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (self._policy.version, Jsonb(self._policy.model_dump(mode="json"))),
        )
        connection.execute(
            """
            INSERT INTO staging.repositories (workspace, repository_id, slug, main_branch, updated_on, data_as_of)
            SELECT %(workspace)s, '{' || md5(number::text)::uuid || '}', 'service-' || number, 'main', %(now)s, %(now)s
            FROM generate_series(1, %(repositories)s) AS number
            """,
            {"workspace": self._name, "now": START, "repositories": course.repositories},
        )
        connection.commit()

    def touch(self, part: float) -> None:
        """Move ``updated_on`` of some repositories on, as the next listing will show it."""
        self._connection.execute(
            """
            UPDATE staging.repositories
            SET updated_on = %(now)s
            WHERE
                workspace = %(workspace)s
                AND (hashtextextended(repository_id, extract(epoch FROM %(now)s::timestamptz)::bigint) & 65535)
                < %(part)s * 65536
            """,
            {"workspace": self._name, "now": self._clock.now, "part": part},
        )

    def run(self) -> Hour:
        """The run of one hour; afterwards the next hour begins."""
        run = self._start()
        ends = run.started_at + HOUR
        limiter = RateLimiter(self._settings, self._ledger)
        sent = sum(self._send(limiter, self._costs.listings(self._course.repositories), ends))
        plan.plan_reading(self._connection, run, limiter)
        sent += self._read(limiter, run, ends)
        run_sql(self._connection, "pipeline/publish/forget_old_runs.sql", {**run.keys, "runs_kept": RUNS_KEPT})
        self._clock.now = ends
        hour = self._look_back(run, sent)
        self._connection.commit()
        return hour

    def forget(self) -> None:
        """Leave nothing behind that would slow the next workspace down."""
        for statement in _FORGET:
            self._connection.execute(statement, (self._name,))
        self._connection.commit()
        self._ledger.close()

    def _start(self) -> Run:
        run = Run(
            workspace=self._name,
            run_id=f"{self._name} {self._clock.now:%d %H}",
            started_at=self._clock.now,
            full_refresh=False,
            policy=self._policy,
            policy_version=self._policy.version,
            scopes_granted=frozenset(self._costs.scopes),
            identity_role="owner",
        )
        self._connection.execute(
            "INSERT INTO integration.runs (run_id, workspace, started_at, policy_version, scopes_granted)"
            " VALUES (%s, %s, %s, %s, %s)",
            (run.run_id, run.workspace, run.started_at, run.policy_version, list(self._costs.scopes)),
        )
        self._connection.commit()
        return run

    def _send(self, limiter: RateLimiter, requests: int, ends: datetime) -> Iterator[int]:
        """Send requests as the ledger allows; the size of each batch, its time being the clock's."""
        while requests:
            booking = self._ledger.reserve(min(requests, PACE * STEP), self._settings.requests_per_hour)
            granted = booking.permits.requests
            if not granted and self._clock.now + timedelta(seconds=booking.resume_in) >= ends:
                return
            self._clock.advance(granted / PACE if granted else booking.resume_in)
            if granted:
                limiter.note(self._headers)
                requests -= granted
                yield granted

    def _read(self, limiter: RateLimiter, run: Run, ends: datetime) -> int:
        """Read in the planned order and leave the rest; requests sent."""
        due = self._row(
            "SELECT count(*) AS all, count(*) FILTER (WHERE cause = 'never_read') AS new"
            " FROM landing.work_items WHERE workspace = %(workspace)s AND run_id = %(run_id)s",
            run.keys,
        )
        new = due["new"]
        sent = done = 0
        for granted in self._send(limiter, math.ceil(self._cost(due["all"], new)), ends):
            sent += granted
            before, done = done, self._readings(sent, new, due["all"])
            self._note(run, before, done)
        self._note_rest(run, done, new)
        return sent

    def _cost(self, readings: int, new: int) -> float:
        """Requests of the first so many readings of a plan that begins with ``new`` first ones."""
        return min(readings, new) * self._costs.first + max(readings - new, 0) * self._costs.later

    def _readings(self, requests: int, new: int, due: int) -> int:
        """How many readings so many requests pay for."""
        of_new = new * self._costs.first
        found = requests / self._costs.first if requests < of_new else new + (requests - of_new) / self._costs.later
        # A whole plan's requests were rounded up; fractions of a request must not cost a reading.
        return min(math.floor(found + 1e-9), due)

    def _note(self, run: Run, before: int, done: int) -> None:
        run_sql(self._connection, "pipeline/extract/landing/make_incoming.sql")
        self._connection.execute(
            """
            INSERT INTO incoming_reads (repository_id, read_at, complete)
            SELECT repository_id, %(now)s, true
            FROM landing.work_items
            WHERE workspace = %(workspace)s AND run_id = %(run_id)s AND place > %(before)s AND place <= %(done)s
            """,
            {**run.keys, "now": self._clock.now, "before": before, "done": done},
        )
        run_sql(self._connection, "pipeline/extract/landing/land_reads.sql", run.keys)
        self._connection.commit()

    def _note_rest(self, run: Run, done: int, new: int) -> None:
        """What readings cost, for later plans, and what is left to the next run."""
        parameters = {
            **run.keys,
            "now": self._clock.now,
            "done": done,
            "new": new,
            "first": self._costs.first,
            "later": self._costs.later,
        }
        self._connection.execute(
            """
            INSERT INTO landing.calls (workspace, run_id, resource, repository_id, outcome, requests, fetched_at)
            SELECT
                items.workspace,
                items.run_id,
                'pull_requests',
                items.repository_id,
                'ok',
                floor(least(items.place, %(new)s) * %(first)s + greatest(items.place - %(new)s, 0) * %(later)s)
                - floor(
                    least(items.place - 1, %(new)s) * %(first)s + greatest(items.place - 1 - %(new)s, 0) * %(later)s
                ),
                %(now)s
            FROM landing.work_items AS items
            WHERE items.workspace = %(workspace)s AND items.run_id = %(run_id)s AND items.place <= %(done)s
            """,
            parameters,
        )
        self._connection.execute(
            "UPDATE landing.work_items SET left_over = true"
            " WHERE workspace = %(workspace)s AND run_id = %(run_id)s AND place > %(done)s",
            parameters,
        )

    def _look_back(self, run: Run, sent: int) -> Hour:
        found = self._row(
            """
            SELECT
                count(*) FILTER (WHERE reads.read_at IS null) AS never_read,
                coalesce(extract(epoch FROM %(now)s - min(reads.read_at)) / 3600, 0)::double precision AS oldest,
                (extract(epoch FROM max(reads.read_at) FILTER (WHERE items.cause = 'never_read') - %(start)s) / 3600)
                ::double precision AS first_readings_end
            FROM staging.repositories AS listed
            LEFT JOIN landing.repository_reads AS reads
                ON listed.workspace = reads.workspace AND listed.repository_id = reads.repository_id
            LEFT JOIN landing.work_items AS items
                ON
                    reads.workspace = items.workspace
                    AND reads.run_id = items.run_id
                    AND reads.repository_id = items.repository_id
                    AND items.run_id = %(run_id)s
            WHERE listed.workspace = %(workspace)s
            """,
            {**run.keys, "now": self._clock.now, "start": START},
        )
        plan = self._row("SELECT plan FROM integration.runs WHERE run_id = %(run_id)s", run.keys)["plan"]
        return Hour(plan, sent, **found)

    def _row(self, statement: LiteralString, parameters: dict[str, Any]) -> dict[str, Any]:
        [row] = self._connection.execute(statement, parameters).fetchall()
        return row


def show(courses: list[Course]) -> None:
    """The stalest reading hour by hour, then what the runs said beside what came of it."""
    print("  age in hours of the stalest verdict's reading at the end of each hour, by repositories / requests an hour")
    print("  hour" + "".join(f"{f'{course.repositories:,} / {course.limit:,}':>19}" for course in courses))
    for number in range(max(len(course.hours) for course in courses)):
        print(f"  {number + 1:>4}" + "".join(f"{_cell(course.hours[number]):>19}" for course in courses))
    for course in courses:
        _show_words(course)


def _cell(hour: Hour) -> str:
    return f"{hour.never_read:,} never read" if hour.never_read else f"{hour.oldest:.1f}"


def _show_words(course: Course) -> None:
    first, last, day = course.hours[0].plan, course.hours[-1].plan, course.hours[-24:]
    synced = course.synced_after
    sync = f"read after {synced:.1f} hours" if synced else f"{course.hours[-1].never_read:,} never read"
    size = f"{last['times_too_large']} times too large" if last["times_too_large"] else "fits"
    stalest = max(hour.oldest for hour in day)
    print(f"\n  {course.name}")
    print(f"    first sync: planned {first['requests']:,} requests, waits {first['hours']:g} hours; simulated: {sync}")
    print(
        f"    last {len(day)} hours: planned {last['daily_requests']:,} requests a day, {size}; "
        f"simulated: {sum(hour.requests for hour in day):,} requests, stalest reading {stalest:.1f} hours"
    )
    for sentence in dict.fromkeys([*course.said[:1], *course.said[-1:]]):
        print(f"    said: {sentence}")
