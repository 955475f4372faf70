"""Reads one chunk of repositories: their calls side by side, every result landed."""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import Any
from urllib.parse import quote

from bitbucket_compliance.core.database import Connection, one_row, refresh_statistics, run_sql
from bitbucket_compliance.core.errors import BitbucketUnavailable, WaitForRequests
from bitbucket_compliance.pipeline.extract import fetch
from bitbucket_compliance.pipeline.extract.fetch import Call, Client
from bitbucket_compliance.pipeline.extract.landing.results import FAILED, OK, SCOPE_MISSING, CallResult
from bitbucket_compliance.pipeline.extract.landing.writer import LandingWriter, checkpoints
from bitbucket_compliance.pipeline.extract.preflight import known_scopes
from bitbucket_compliance.pipeline.extract.repositories.merge_rules import Check
from bitbucket_compliance.pipeline.extract.repositories.merges import DETAILS, FormerMainBranch, Known
from bitbucket_compliance.pipeline.extract.repositories.needs import REMEMBERED, Needs, Repository
from bitbucket_compliance.pipeline.extract.selection import fallback_tests
from bitbucket_compliance.pipeline.run.lease import renew_lease
from bitbucket_compliance.pipeline.run.run import Run

log = logging.getLogger(__name__)

GIVE_UP_AFTER = 12  # calls in a row that found nobody at home
PROGRESS_SECONDS = 5.0
TOO_MANY_REQUESTS = 429

_SQL = "pipeline/extract/repositories"


def read_chunk(connection: Connection, run: Run, client: Client, chunk: int) -> None:
    """Read the repositories of one chunk in parallel and land every result; one repository never stops the others.

    A run whose time is up leaves the rest to the next run instead of waiting for requests once more.

    Raises:
        WaitForRequests: the hour's requests are used up; called again it goes on where it stopped.
        BitbucketUnavailable: nobody answered a dozen calls in a row.
        ConnectionRefused: credentials were refused in the middle.
    """
    try:
        ChunkReader(connection, run, client, chunk).read()
    except WaitForRequests as waiting:
        reason = run.reason_not_to_wait(datetime.now(UTC))
        if reason is None:
            raise
        left = run_sql(connection, f"{_SQL}/leave_for_next_run.sql", {**run.keys, "chunk": chunk}).rowcount
        connection.commit()
        log.warning("%s; %s: %d repositories are left to the next run", waiting, reason, left)


def _remembered(checks: list[dict[str, Any]] | None) -> list[Check] | None:
    return None if checks is None else [Check(**check) for check in checks]


class ChunkReader:
    """Reads one chunk, and goes on where an earlier try of it stopped."""

    def __init__(self, connection: Connection, run: Run, client: Client, chunk: int):
        self._connection = connection
        self._run = run
        self._client = client
        self._needs = Needs(run)
        self._writer = LandingWriter(connection, run)
        self._denied: dict[str, list[str]] = {}
        self._limited: set[str] = set()
        self._failed_in_a_row = 0
        self._pending: dict[Future[CallResult], Repository] = {}
        self._came_back: SimpleQueue[Future[CallResult]] = SimpleQueue()
        self._progress_at = time.monotonic()
        keys = {
            **run.keys,
            "chunk": chunk,
            "oldest_merge_checks": run.oldest_merge_checks,
            "relied_on_since": run.oldest_merge_checks_to_rely_on,
            "full_refresh": run.full_refresh,
            "fallback_tests": fallback_tests(run.policy),
        }
        rows = run_sql(connection, f"{_SQL}/chunk_items.sql", keys).fetchall()
        self._total = rows[0]["total"] if rows else 0
        self._done = rows[0]["before"] if rows else 0
        self._repositories = {
            row["repository_id"]: Repository(
                row["repository_id"],
                row["slug"],
                row["main_branch"],
                row["non_production"],
                self._needs.protecting_kinds,
                is_first_reading=row["is_first_reading"],
                is_without_content=row["is_without_content"],
                has_project_evidence=row["has_project_evidence"],
                remembered_checks=_remembered(row["remembered_checks"]),
                remembered_checks_suffice=bool(row["they_suffice"]),
            )
            for row in rows
        }
        self._checkpoints = checkpoints(connection, run)
        self._recall({**keys, "resources": list(REMEMBERED), "details": list(DETAILS)})
        connection.commit()

    def _not_peers(self) -> frozenset[str]:
        """What accounts are recognised by whose approvals count for nothing."""
        accounts = self._run.policy.thresholds["not_peers"]
        found = self._connection.execute(
            "SELECT judging.not_peers(%s, %s::text[]) AS found", (self._run.workspace, accounts)
        )
        return frozenset(one_row(found)["found"])

    def _recall(self, keys: Mapping[str, object]) -> None:
        """Take up what earlier runs learnt, and what an earlier try of this chunk landed."""
        if keys["chunk"]:
            # The chunks before filled the tables; without statistics the planner takes them for empty.
            refresh_statistics(self._connection, "landing")
        self._recall_merges(keys)
        landed = run_sql(self._connection, f"{_SQL}/landed_calls.sql", keys).fetchall()
        for row in landed:
            if not row["item_key"]:
                repository = self._repositories[row["repository_id"]]
                repository.outcomes[row["resource"]] = row["outcome"]
                repository.has_incomplete_listing |= row["is_incomplete"]
        for row in run_sql(self._connection, f"{_SQL}/landed_bodies.sql", keys) if landed else ():
            self._repositories[row["repository_id"]].remember(row["resource"], [row["body"]])

    def _recall_merges(self, keys: Mapping[str, object]) -> None:
        """Take up when pull requests were merged, how they were built, and into which branches they count."""
        not_peers = self._not_peers()
        for repository in self._repositories.values():
            repository.merges.not_peers = not_peers
        for row in run_sql(self._connection, f"{_SQL}/known_pull_requests.sql", keys):
            known = Known(row["merged_on"], row["merged_after"])
            self._repositories[row["repository_id"]].merges.known[row["pull_request_id"]] = known
        for row in run_sql(self._connection, f"{_SQL}/main_branches.sql", keys):
            former = FormerMainBranch(row["main_branch"], row["since"], row["until"])
            self._repositories[row["repository_id"]].merges.former_main_branches.append(former)
        for row in run_sql(self._connection, f"{_SQL}/known_details.sql", keys):
            self._repositories[row["repository_id"]].merges.remember_details(
                row["resource"], [row["body"]], is_of_this_run=row["is_of_this_run"]
            )

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
                    self.take(repository, future.result())
                    self._submit(pool, repository, self._needs.next_calls(repository))
                    self._feed(pool, unread)
            except WaitForRequests as waiting:
                self._stop(waiting)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
                self._writer.flush()
        self._log_progress()

    def _feed(self, pool: ThreadPoolExecutor, unread: Iterator[Repository]) -> None:
        """Begin further repositories, so many that no connection ever waits for this thread."""
        while len(self._pending) < 4 * self._client.connections:
            repository = next(unread, None)
            if repository is None:
                return
            calls = [*self._needs.first_calls(repository), *self._needs.next_calls(repository)]
            self._submit(pool, repository, calls)

    def _stop(self, waiting: WaitForRequests) -> None:
        """Take what is under way, send nothing more, and give the reason to come back.

        Raises:
            WaitForRequests: always.
        """
        sent = {future: repository for future, repository in self._pending.items() if not future.cancel()}
        for future, repository in sent.items():
            try:
                self.take(repository, future.result())
            except WaitForRequests as another:
                waiting = another.joined(waiting)
        self._writer.keep(waiting.checkpoints)
        raise waiting

    def _submit(self, pool: ThreadPoolExecutor, repository: Repository, calls: Iterable[Call]) -> None:
        """Send calls; a result that is known without asking is as good as one that came back."""
        for call in calls:
            repository.open_calls += 1
            granted = known_scopes(self._run, self._client)
            missing = call.resource.missing_scopes(granted) or self._denied.get(call.resource.name)
            known = fetch.not_worth_asking(call, missing) if missing else None
            if call.resource.name in self._limited:
                known = call.result(FAILED, message="not asked: Bitbucket limits the rate of such calls by itself")
            if known:
                future: Future[CallResult] = Future()
                future.set_result(known)
            else:
                call = replace(call, checkpoint=self._checkpoints.get(call.key))
                future = pool.submit(fetch.read, self._client, call)
            self._pending[future] = repository
            # A queue, not wait(): that looks at every pending call for each result.
            future.add_done_callback(self._came_back.put)
        if not repository.open_calls:
            self._finish(repository)

    def _finish(self, repository: Repository) -> None:
        self._writer.add_read(repository.repository_id, complete=repository.is_complete)
        del self._repositories[repository.repository_id]
        self._done += 1
        if time.monotonic() - self._progress_at >= PROGRESS_SECONDS:
            self._progress_at = time.monotonic()
            self._log_progress()
            renew_lease(self._connection, self._run.workspace, self._run.run_id)
            self._connection.commit()

    def _log_progress(self) -> None:
        log.info("progress: repositories %d of %d read", self._done, self._total)

    def take(self, repository: Repository, result: CallResult) -> None:
        """Land a result, and remember what it says about further calls.

        Raises:
            BitbucketUnavailable: nobody answered a dozen calls in a row.
        """
        if result.outcome == OK:
            try:
                repository.remember(result.resource, [body for _, body in result.objects])
            except (KeyError, TypeError, ValueError, AttributeError) as odd:
                # One repository with an odd answer is an error of that repository, not of its chunk.
                message = f"Bitbucket's {result.resource} of {repository.slug} can't be read ({type(odd).__name__})"
                result = replace(result, outcome=FAILED, objects=(), message=message)
        if result.message:
            # Asked for by uuid; people know it by its slug.
            named = result.message.replace(quote(repository.repository_id, safe=""), repository.slug)
            result = replace(result, message=named)
        self._writer.add(result)
        repository.outcomes[result.resource] = result.outcome
        if result.item_key and result.outcome != OK:
            repository.merges.note_failure(result.resource, result.item_key)
        repository.has_incomplete_listing |= result.incomplete_because is not None
        if result.outcome == SCOPE_MISSING and result.requests:
            self._denied[result.resource] = ["(refused before)"]
        if result.http_status == TOO_MANY_REQUESTS:
            self._limited.add(result.resource)
        self._count_failures(result)

    def _count_failures(self, result: CallResult) -> None:
        if not result.requests:
            return
        nobody_home = result.outcome == FAILED and result.http_status is None
        self._failed_in_a_row = self._failed_in_a_row + 1 if nobody_home else 0
        if self._failed_in_a_row >= GIVE_UP_AFTER:
            raise BitbucketUnavailable(
                f"Bitbucket did not answer {GIVE_UP_AFTER} calls in a row; last: {result.message}"
            )
