"""Reads one chunk of repositories: which calls each needs, side by side, every answer landed."""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from queue import SimpleQueue
from typing import Any

from bitbucket_compliance.core.database import Connection, refresh_statistics, run_sql
from bitbucket_compliance.core.errors import BitbucketUnavailable, WaitForRequests
from bitbucket_compliance.pipeline.extract import fetch
from bitbucket_compliance.pipeline.extract.fetch import Call, Client
from bitbucket_compliance.pipeline.extract.landing import (
    FAILED,
    NOT_FOUND,
    OK,
    PERMISSION_MISSING,
    SCOPE_MISSING,
    Answer,
    LandingWriter,
    broken_off,
)
from bitbucket_compliance.pipeline.extract.resources import (
    BRANCH_RESTRICTIONS,
    BRANCHING_MODEL,
    LATEST_PIPELINE,
    PIPELINES_CONFIG,
    PROTECTING_KINDS,
    PULL_REQUEST_STATUSES,
    PULL_REQUESTS,
    Body,
)
from bitbucket_compliance.pipeline.run.run import Run, renew_lease

log = logging.getLogger(__name__)

GIVE_UP_AFTER = 12  # calls in a row that found nobody at home
PROGRESS_SECONDS = 5.0

_ASKED = "asked"  # stands for an outcome while the call is under way
_NEWEST_PIPELINE = {"sort": "-created_on", "pagelen": 1}

Pending = partial[Answer] | Answer


def read_chunk(connection: Connection, run: Run, client: Client, chunk: int) -> None:
    """Read the repositories of one chunk in parallel and land every answer; one repository never stops the others.

    A run whose time is up, or that another one waits for, leaves the rest to the next run instead of waiting.

    Raises:
        WaitForRequests: the hour's requests are used up; called again it goes on where it stopped.
        BitbucketUnavailable: nobody answered a dozen calls in a row.
        ConnectionRefused: credentials were refused in the middle.
    """
    try:
        _ChunkReader(connection, run, client, chunk).read()
    except WaitForRequests as waiting:
        reason = run.reason_not_to_wait(datetime.now(UTC))
        if reason is None:
            raise
        left = run_sql(connection, "pipeline/extract/leave_over.sql", {**run.keys, "chunk": chunk}).rowcount
        connection.commit()
        log.warning("%s; %s: %d repositories are left to the next run", waiting, reason, left)


@dataclass
class _Repository:
    """What is known of one repository while its chunk is read: no more than decides what else to ask."""

    repository_id: str
    slug: str
    main_branch: str | None
    non_production: bool
    shown_of_project: bool = False
    outcomes: dict[str, str] = field(default_factory=dict)
    needs_branching_model: bool = False
    merged: list[tuple[datetime, int]] = field(default_factory=list)
    builds_broken: dict[int, bool] = field(default_factory=dict)
    open_calls: int = 0

    def remember(self, resource: str, bodies: Iterable[Body]) -> None:
        """Take in what a call brought.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: a body isn't what Bitbucket promises.
        """
        if resource == BRANCH_RESTRICTIONS.name:
            self.needs_branching_model |= any(_by_branching_model(body) for body in bodies)
        elif resource == PULL_REQUESTS.name:
            self.merged += [found for body in bodies if (found := self._merge(body)) is not None]
        elif resource == PULL_REQUEST_STATUSES.name:
            self.builds_broken.update({int(b["pull_request_id"]): breaks_the_build_rule(b["values"]) for b in bodies})

    def _merge(self, body: Body) -> tuple[datetime, int] | None:
        """When a pull request was merged into the main branch, by ``updated_on``, and its number; None otherwise."""
        branch = (body.get("destination") or {}).get("branch") or {}
        if body.get("state") != "MERGED" or not body.get("updated_on") or branch.get("name") != self.main_branch:
            return None
        return datetime.fromisoformat(body["updated_on"]), int(body["id"])


class _ChunkReader:
    def __init__(self, connection: Connection, run: Run, client: Client, chunk: int):
        self._connection = connection
        self._run = run
        self._client = client
        self._writer = LandingWriter(connection, run)
        self._denied: dict[str, list[str]] = {}
        self._failed_in_a_row = 0
        self._pending: dict[Future[Answer], _Repository] = {}
        self._came_back: SimpleQueue[Future[Answer]] = SimpleQueue()
        self._progress_at = time.monotonic()
        keys = {**run.keys, "chunk": chunk, "full_refresh": run.full_refresh}
        rows = run_sql(connection, "pipeline/extract/chunk_items.sql", keys).fetchall()
        self._total = rows[0]["total"] if rows else 0
        self._done = rows[0]["before"] if rows else 0
        self._repositories = {
            row["repository_id"]: _Repository(
                row["repository_id"], row["slug"], row["main_branch"], row["non_production"], row["shown_of_project"]
            )
            for row in rows
        }
        self._broken_off = broken_off(connection, run)
        self._recall(keys)
        connection.commit()

    def _recall(self, keys: Mapping[str, object]) -> None:
        """Take up what an earlier try of this chunk landed, and the builds any run has seen."""
        if keys["chunk"]:
            # The chunks before filled the tables; without statistics the planner takes them for empty.
            refresh_statistics(self._connection, "landing")
        landed = run_sql(self._connection, "pipeline/extract/landed_calls.sql", keys).fetchall()
        for row in landed:
            if not row["item_key"]:
                self._repositories[row["repository_id"]].outcomes[row["resource"]] = row["outcome"]
        for row in run_sql(self._connection, "pipeline/extract/landed_bodies.sql", keys) if landed else ():
            self._repositories[row["repository_id"]].remember(row["resource"], [row["body"]])
        for row in run_sql(self._connection, "pipeline/extract/known_builds.sql", keys):
            self._repositories[row["repository_id"]].remember(PULL_REQUEST_STATUSES.name, [row["body"]])

    def read(self) -> None:
        """Keep every connection busy until no call is left; what came back is landed also when something ends it."""
        # A few more threads than connections: they sign and decode while every connection is busy. The client lets no
        # more requests out than it has connections.
        workers = self._client.connections + self._client.connections // 4
        with ThreadPoolExecutor(max_workers=workers) as pool:
            try:
                unread = iter([*self._repositories.values()])
                self._feed(pool, unread)
                while self._pending:
                    future = self._came_back.get()
                    repository = self._pending.pop(future)
                    repository.open_calls -= 1
                    self._take(repository, future.result())
                    self._submit(pool, repository, self._follow_ups(repository))
                    self._feed(pool, unread)
            except WaitForRequests as waiting:
                self._break_off(waiting)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
                self._writer.flush()
        log.info("progress: repositories %d of %d read", self._done, self._total)

    def _feed(self, pool: ThreadPoolExecutor, unread: Iterator[_Repository]) -> None:
        """Begin further repositories, so many that no connection ever waits for this thread."""
        while len(self._pending) < 4 * self._client.connections:
            repository = next(unread, None)
            if repository is None:
                return
            self._submit(pool, repository, [*self._first_calls(repository), *self._follow_ups(repository)])

    def _break_off(self, waiting: WaitForRequests) -> None:
        """Take what is under way, send nothing more, and give the reason to come back.

        Raises:
            WaitForRequests: always.
        """
        sent = {future: repository for future, repository in self._pending.items() if not future.cancel()}
        for future, repository in sent.items():
            try:
                self._take(repository, future.result())
            except WaitForRequests as another:
                waiting = another.joined(waiting)
        self._writer.keep(waiting.broken_off)
        raise waiting

    def _submit(self, pool: ThreadPoolExecutor, repository: _Repository, calls: Iterable[Pending]) -> None:
        """Send calls; an answer that is known without asking is as good as one that came back."""
        for call in calls:
            repository.open_calls += 1
            if isinstance(call, Answer):
                future: Future[Answer] = Future()
                future.set_result(call)
            else:
                future = pool.submit(call)
            self._pending[future] = repository
            # A queue, not wait(): that looks at every pending call for each answer.
            future.add_done_callback(self._came_back.put)
        if not repository.open_calls:
            self._finished(repository)

    def _finished(self, repository: _Repository) -> None:
        complete = not any(_is_failure(*outcome) for outcome in repository.outcomes.items())
        self._writer.add_read(repository.repository_id, complete=complete)
        del self._repositories[repository.repository_id]
        self._done += 1
        if time.monotonic() - self._progress_at >= PROGRESS_SECONDS:
            self._progress_at = time.monotonic()
            log.info("progress: repositories %d of %d read", self._done, self._total)
            renew_lease(self._connection, self._run)
            self._connection.commit()

    # which calls

    def _first_calls(self, repository: _Repository) -> Iterator[Pending]:
        path = {"workspace": self._run.workspace, "repo_slug": repository.slug}
        identity = repository.repository_id
        since = self._run.window_start.replace(hour=0, minute=0, second=0, microsecond=0).isoformat()
        planned = (
            (fetch.read_listing, Call(BRANCH_RESTRICTIONS, path, identity)),
            (
                fetch.read_listing,
                Call(
                    PULL_REQUESTS,
                    path,
                    identity,
                    params={"q": f'state = "OPEN" OR (state = "MERGED" AND updated_on >= {since})'},
                ),
            ),
            (fetch.read_object, Call(PIPELINES_CONFIG, path, identity)),
            (fetch.read_newest, Call(LATEST_PIPELINE, path, identity, params=_NEWEST_PIPELINE)),
        )
        for read, call in planned:
            if call.resource.name not in repository.outcomes:
                yield self._ask_or_spare(read, call)

    def _ask_or_spare(self, read: Any, call: Call) -> Pending:
        granted = self._client.granted_scopes or self._run.scopes_granted
        missing = fetch.missing_scopes(call.resource, granted) or self._denied.get(call.resource.name)
        if missing:
            return fetch.not_worth_asking(call, missing)
        return partial(read, self._client, replace(call, start=self._broken_off.get(call.key)))

    def _follow_ups(self, repository: _Repository) -> Iterator[Pending]:
        path = {"workspace": self._run.workspace, "repo_slug": repository.slug}
        if (
            repository.needs_branching_model
            and repository.main_branch
            and BRANCHING_MODEL.name not in repository.outcomes
        ):
            repository.outcomes[BRANCHING_MODEL.name] = _ASKED
            yield self._ask_or_spare(fetch.read_object, Call(BRANCHING_MODEL, path, repository.repository_id))
        number = self._next_builds(repository)
        if number is not None:
            repository.outcomes[PULL_REQUEST_STATUSES.name] = _ASKED
            call = Call(
                PULL_REQUEST_STATUSES,
                {**path, "pull_request_id": str(number)},
                repository.repository_id,
                item_key=str(number),
            )
            yield self._ask_or_spare(fetch.read_pull_request_statuses, call)

    def _next_builds(self, repository: _Repository) -> int | None:
        """The newest sampled pull request whose builds are not known, unless a newer one broke the rule already.

        Builds are evidence of behaviour: they are asked for only where the configuration can't be read, or where
        evidence about the project may stand for it.
        """
        if not self._builds_wanted(repository):
            return None
        for number in self._sample(repository):
            if number not in repository.builds_broken:
                return number
            if repository.builds_broken[number]:
                return None
        return None

    def _builds_wanted(self, repository: _Repository) -> bool:
        if repository.non_production or not repository.main_branch:
            return False
        outcomes = repository.outcomes
        undecided = (SCOPE_MISSING, PERMISSION_MISSING, *([OK] if repository.shown_of_project else []))
        return (
            self._run.policy.enabled("status_checks_required")
            and outcomes.get(BRANCH_RESTRICTIONS.name) in undecided
            and outcomes.get(PULL_REQUESTS.name) == OK
            and outcomes.get(PULL_REQUEST_STATUSES.name, OK) == OK
        )

    def _sample(self, repository: _Repository) -> list[int]:
        inside = sorted((merge for merge in repository.merged if merge[0] >= self._run.window_start), reverse=True)
        return [number for _, number in inside[: self._run.policy.thresholds.behaviour_sample]]

    # what came back

    def _take(self, repository: _Repository, answer: Answer) -> None:
        if answer.outcome == OK:
            try:
                repository.remember(answer.resource, [body for _, body in answer.objects])
            except (KeyError, TypeError, ValueError, AttributeError) as odd:
                # One repository with an odd answer is an error of that repository, not of its chunk.
                message = f"Bitbucket's {answer.resource} of {repository.slug} can't be read ({type(odd).__name__})"
                answer = replace(answer, outcome=FAILED, objects=(), message=message)
        self._writer.add(answer)
        repository.outcomes[answer.resource] = answer.outcome
        if answer.outcome == SCOPE_MISSING and answer.requests:
            self._denied[answer.resource] = ["(refused before)"]
        self._count_failures(answer)

    def _count_failures(self, answer: Answer) -> None:
        if not answer.requests:
            return
        nobody_home = answer.outcome == FAILED and answer.http_status is None
        self._failed_in_a_row = self._failed_in_a_row + 1 if nobody_home else 0
        if self._failed_in_a_row >= GIVE_UP_AFTER:
            raise BitbucketUnavailable(
                f"Bitbucket did not answer {GIVE_UP_AFTER} calls in a row; last: {answer.message}"
            )


def breaks_the_build_rule(statuses: list[Body]) -> bool:
    """A merged pull request breaks the rule when it has no build status, or one that is not SUCCESSFUL."""
    return not statuses or any(status.get("state") != "SUCCESSFUL" for status in statuses)


def _by_branching_model(restriction: Body) -> bool:
    return restriction.get("branch_match_kind") == "branching_model" and restriction.get("kind") in PROTECTING_KINDS


def _is_failure(resource: str, outcome: str) -> bool:
    """Whether a repository with this outcome is due again at once. Pipelines that were never configured are a 404."""
    return outcome == FAILED or (outcome == NOT_FOUND and resource != PIPELINES_CONFIG.name)
