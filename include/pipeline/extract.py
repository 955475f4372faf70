"""Extract: what of a workspace is read, in which order, and what is spared.

``list_workspace`` reads the listings of the workspace, ``plan_reading`` splits its repositories into chunks,
``read_chunk`` reads one chunk with as many parallel requests as the connection allows.
"""

import logging
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from include.pipeline import reading
from include.pipeline.db import one_row, run_sql
from include.pipeline.errors import BitbucketUnavailable, ConnectionRefused, WorkspaceUnknown
from include.pipeline.landing import (
    FAILED,
    NOT_FOUND,
    OK,
    PERMISSION_MISSING,
    SCOPE_MISSING,
    Answer,
    LandingWriter,
)
from include.pipeline.reading import Call, Client
from include.pipeline.resources import (
    BRANCH_RESTRICTIONS,
    BRANCHING_MODEL,
    LATEST_PIPELINE,
    MEMBER_EMAILS,
    MEMBER_ROLES,
    MEMBERS,
    PIPELINES_CONFIG,
    PROTECTING_KINDS,
    PULL_REQUEST_STATUSES,
    PULL_REQUESTS,
    REPOSITORIES,
    REQUIRED_SCOPES,
    WORKSPACE,
    Body,
)
from include.pipeline.run import Connection, Run, renew_lease
from include.pipeline.stage import stage_listing

log = logging.getLogger(__name__)

CHUNK_SIZE = 50
EMAILS_A_CALL = 90  # the official document of workspace members
GIVE_UP_AFTER = 12  # calls in a row that found nobody at home
PROGRESS_SECONDS = 5.0

# What may stand in a filter's string unescaped; anything else is no address Bitbucket would know.
_ADDRESS = re.compile(r"[^\s\"\\<>(),;]+@[^\s\"\\<>(),;]+")


# ------------------------------------------------------------------ workspace


def list_workspace(connection: Connection, run: Run, client: Client) -> None:
    """Land the workspace's repositories, members, their roles and the declared addresses Bitbucket confirms.

    Raises:
        WorkspaceUnknown: Bitbucket doesn't show this workspace to this identity.
        ConnectionRefused: credentials refused, or a scope no run can do without is missing.
        BitbucketUnavailable: a listing could not be read after all retries.
    """
    writer = LandingWriter(connection, run)
    workspace = {"workspace": run.workspace}
    repositories = reading.read_listing(client, Call(REPOSITORIES, workspace))
    _note_scopes(connection, run, client.granted_scopes)
    _demand(run, repositories, client.granted_scopes)
    members = reading.read_listing(client, Call(MEMBERS, workspace))
    _demand(run, members, client.granted_scopes)
    writer.add(repositories)
    writer.add(members)
    writer.add(_workspace_itself(client, run, [*members.objects, *repositories.objects]))
    writer.add(reading.read_listing(client, Call(MEMBER_ROLES, workspace)))
    for answer in _confirmed_addresses(connection, run, client):
        writer.add(answer)
    writer.flush()
    log.info("progress: %d repositories and %d members listed", len(repositories.objects), len(members.objects))


def _demand(run: Run, answer: Answer, granted: frozenset[str] | None) -> None:
    if answer.outcome == OK:
        return
    if answer.outcome == NOT_FOUND:
        raise WorkspaceUnknown(
            f"workspace {run.workspace!r} does not exist or is not visible to this connection; "
            "check the slug and who granted the access"
        )
    if answer.outcome == SCOPE_MISSING:
        missing = [scope for scope in REQUIRED_SCOPES if granted is None or scope not in granted]
        wanted = " and ".join(f"{scope} (to {REQUIRED_SCOPES[scope]})" for scope in missing) or "required"
        raise ConnectionRefused(
            f"the Bitbucket connection lacks the scope {wanted}; tick it on the OAuth consumer and connect again"
        )
    if answer.outcome == PERMISSION_MISSING:
        raise ConnectionRefused(
            f"this identity may not list {answer.resource} of workspace {run.workspace!r}; "
            "let a member of the workspace grant the access"
        )
    raise BitbucketUnavailable(f"{answer.resource} of workspace {run.workspace!r} could not be read: {answer.message}")


def _note_scopes(connection: Connection, run: Run, granted: frozenset[str] | None) -> None:
    connection.execute(
        "UPDATE integration.runs SET scopes_granted = %s WHERE run_id = %s",
        (None if granted is None else sorted(granted), run.run_id),
    )
    connection.commit()


def _workspace_itself(client: Client, run: Run, listed: list[tuple[str, Body]]) -> Answer:
    """The workspace's identity: every listed object carries it, so a request is spent only where nothing was listed."""
    for _, body in listed:
        found = body.get("workspace") or {}
        if found.get("uuid"):
            return Answer(WORKSPACE.name, OK, objects=[(found["uuid"], found)])
    answer = reading.read_object(client, Call(WORKSPACE, {"workspace": run.workspace}))
    _demand(run, answer, client.granted_scopes)
    return answer


def _confirmed_addresses(connection: Connection, run: Run, client: Client) -> Iterator[Answer]:
    declared = [row["email"] for row in run_sql(connection, "extract/declared_emails.sql")]
    addresses = [address for address in declared if _ADDRESS.fullmatch(address)]
    for number, start in enumerate(range(0, len(addresses), EMAILS_A_CALL)):
        batch = addresses[start : start + EMAILS_A_CALL]
        quoted = ",".join(f'"{address}"' for address in batch)
        call = Call(
            MEMBER_EMAILS,
            {"workspace": run.workspace},
            item_key=str(number),
            params={"q": f"user.email IN ({quoted})"},
        )
        answer = _only_asked(reading.read_addresses(client, call), set(batch))
        yield answer
        if answer.outcome != OK:
            return


def _only_asked(answer: Answer, asked: set[str]) -> Answer:
    """Bitbucket may disclose addresses only where it was asked for them; keep nothing else."""
    kept = [(key, body) for key, body in answer.objects if body["user"]["email"].strip().lower() in asked]
    return replace(answer, objects=kept)


# ----------------------------------------------------------------------- plan


def plan_reading(connection: Connection, run: Run) -> list[int]:
    """Stage the listing and split its repositories into chunks.

    Returns:
        The numbers of the chunks, at least one, so that a mapped task has something to do in an empty workspace.
    """
    stage_listing(connection, run)
    run_sql(connection, "extract/plan_work.sql", {**run.keys, "chunk_size": CHUNK_SIZE})
    row = one_row(
        connection.execute(
            "SELECT count(*) AS repositories, coalesce(max(chunk), 0) AS last FROM landing.work_items"
            " WHERE workspace = %s AND run_id = %s",
            (run.workspace, run.run_id),
        )
    )
    connection.execute(
        "UPDATE integration.runs SET repositories = %s WHERE run_id = %s", (row["repositories"], run.run_id)
    )
    connection.commit()
    _say_what_scopes_decide(run)
    return list(range(row["last"] + 1))


def _say_what_scopes_decide(run: Run) -> None:
    for resource in (BRANCH_RESTRICTIONS, PIPELINES_CONFIG, PULL_REQUESTS, LATEST_PIPELINE):
        missing = reading.missing_scopes(resource, run.scopes_granted)
        if missing:
            log.info("%s is not read: the connection lacks the scope %s", resource.name, ", ".join(missing))


# ---------------------------------------------------------------------- chunk


@dataclass
class _Repository:
    """What is known of one repository while its chunk is read."""

    repository_id: str
    slug: str
    main_branch: str | None
    non_production: bool
    outcomes: dict[str, str] = field(default_factory=dict)
    restrictions: list[Body] = field(default_factory=list)
    pull_requests: list[Body] = field(default_factory=list)
    builds: dict[int, list[Body]] = field(default_factory=dict)
    builds_started: bool = False
    open_calls: int = 0


def read_chunk(connection: Connection, run: Run, client: Client, chunk: int) -> None:
    """Read the repositories of one chunk in parallel and land every answer; one repository never stops the others.

    Raises:
        BitbucketUnavailable: nobody answered a dozen calls in a row.
        ConnectionRefused: credentials were refused in the middle.
    """
    _ChunkReader(connection, run, client, chunk).read()


class _ChunkReader:
    def __init__(self, connection: Connection, run: Run, client: Client, chunk: int):
        self._connection = connection
        self._run = run
        self._client = client
        self._writer = LandingWriter(connection, run)
        self._denied: dict[str, list[str]] = {}
        self._failed_in_a_row = 0
        self._waiting: dict[Future[Answer], _Repository] = {}
        self._progress_at = time.monotonic()
        keys = {**run.keys, "chunk": chunk, "full_refresh": run.full_refresh}
        rows = run_sql(connection, "extract/chunk_items.sql", keys).fetchall()
        self._total = rows[0]["total"] if rows else 0
        self._done = rows[0]["before"] if rows else 0
        self._repositories = {
            row["repository_id"]: _Repository(
                row["repository_id"], row["slug"], row["main_branch"], row["non_production"]
            )
            for row in rows
        }
        self._recall(keys)
        connection.commit()

    def _recall(self, keys: Mapping[str, object]) -> None:
        """Take up what an earlier try of this chunk landed, and the builds any run has seen."""
        for row in run_sql(self._connection, "extract/landed_calls.sql", keys):
            if not row["item_key"]:
                self._repositories[row["repository_id"]].outcomes[row["resource"]] = row["outcome"]
        for row in run_sql(self._connection, "extract/landed_bodies.sql", keys):
            self._remember(self._repositories[row["repository_id"]], row["resource"], [row["body"]])
        for row in run_sql(self._connection, "extract/known_builds.sql", keys):
            self._repositories[row["repository_id"]].builds[row["pull_request_id"]] = row["body"]["values"]

    def read(self) -> None:
        """Keep every connection busy until no call is left; what came back is landed also when an error ends it."""
        with ThreadPoolExecutor(max_workers=self._client.connections) as pool:
            try:
                for repository in self._repositories.values():
                    self._submit(pool, repository, [*self._first_calls(repository), *self._follow_ups(repository)])
                while self._waiting:
                    done, _ = wait(self._waiting, return_when=FIRST_COMPLETED)
                    for future in done:
                        repository = self._waiting.pop(future)
                        repository.open_calls -= 1
                        self._take(repository, future.result())
                        self._submit(pool, repository, self._follow_ups(repository))
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
                self._writer.flush()
        log.info("progress: repositories %d of %d read", self._done, self._total)

    def _submit(
        self, pool: ThreadPoolExecutor, repository: _Repository, calls: Iterable[partial[Answer] | Answer]
    ) -> None:
        """Send calls; an answer that is known without asking is as good as one that came back."""
        for call in calls:
            repository.open_calls += 1
            if isinstance(call, Answer):
                future: Future[Answer] = Future()
                future.set_result(call)
            else:
                future = pool.submit(call)
            self._waiting[future] = repository
        self._finished(repository)

    def _finished(self, repository: _Repository) -> None:
        if repository.open_calls:
            return
        self._done += 1
        if time.monotonic() - self._progress_at >= PROGRESS_SECONDS:
            self._progress_at = time.monotonic()
            log.info("progress: repositories %d of %d read", self._done, self._total)
            renew_lease(self._connection, self._run)
            self._connection.commit()

    # which calls

    def _first_calls(self, repository: _Repository) -> Iterator[partial[Answer] | Answer]:
        path = {"workspace": self._run.workspace, "repo_slug": repository.slug}
        identity = repository.repository_id
        since = self._run.window_start.replace(hour=0, minute=0, second=0, microsecond=0).isoformat()
        planned = (
            (reading.read_listing, Call(BRANCH_RESTRICTIONS, path, identity)),
            (
                reading.read_listing,
                Call(
                    PULL_REQUESTS,
                    path,
                    identity,
                    params={"q": f'state = "OPEN" OR (state = "MERGED" AND updated_on >= {since})'},
                ),
            ),
            (reading.read_object, Call(PIPELINES_CONFIG, path, identity)),
            (reading.read_newest, Call(LATEST_PIPELINE, path, identity, params=_NEWEST_PIPELINE)),
        )
        for read, call in planned:
            if call.resource.name not in repository.outcomes:
                yield self._ask_or_spare(read, call)

    def _ask_or_spare(self, read: Any, call: Call) -> partial[Answer] | Answer:
        granted = self._client.granted_scopes or self._run.scopes_granted
        missing = reading.missing_scopes(call.resource, granted) or self._denied.get(call.resource.name)
        return reading.not_worth_asking(call, missing) if missing else partial(read, self._client, call)

    def _follow_ups(self, repository: _Repository) -> Iterator[partial[Answer] | Answer]:
        path = {"workspace": self._run.workspace, "repo_slug": repository.slug}
        if BRANCHING_MODEL.name not in repository.outcomes and _refers_to_branching_model(repository):
            repository.outcomes[BRANCHING_MODEL.name] = _ASKED
            yield self._ask_or_spare(reading.read_object, Call(BRANCHING_MODEL, path, repository.repository_id))
        number = self._next_builds(repository)
        if number is not None:
            repository.outcomes[PULL_REQUEST_STATUSES.name] = _ASKED
            call = Call(
                PULL_REQUEST_STATUSES,
                {**path, "pull_request_id": str(number)},
                repository.repository_id,
                item_key=str(number),
            )
            yield self._ask_or_spare(reading.read_pull_request_statuses, call)

    def _next_builds(self, repository: _Repository) -> int | None:
        """The newest sampled pull request whose builds are not known, unless a newer one broke the rule already.

        Builds are evidence of behaviour: they are asked for only where the configuration can't be read.
        """
        if not self._builds_wanted(repository):
            return None
        for number in self._sample(repository):
            if number not in repository.builds:
                return number
            if breaks_the_build_rule(repository.builds[number]):
                return None
        return None

    def _builds_wanted(self, repository: _Repository) -> bool:
        if repository.non_production or not repository.main_branch:
            return False
        outcomes = repository.outcomes
        return (
            self._run.policy.enabled("status_checks_required")
            and outcomes.get(BRANCH_RESTRICTIONS.name) in (SCOPE_MISSING, PERMISSION_MISSING)
            and outcomes.get(PULL_REQUESTS.name) == OK
            and outcomes.get(PULL_REQUEST_STATUSES.name, OK) == OK
        )

    def _sample(self, repository: _Repository) -> list[int]:
        merged = [
            (datetime.fromisoformat(body["updated_on"]), int(body["id"]))
            for body in repository.pull_requests
            if body.get("state") == "MERGED" and body.get("updated_on") and _destination(body) == repository.main_branch
        ]
        inside = sorted((entry for entry in merged if entry[0] >= self._run.window_start), reverse=True)
        return [number for _, number in inside[: self._run.policy.numbers.behaviour_sample]]

    # what came back

    def _take(self, repository: _Repository, answer: Answer) -> None:
        self._writer.add(answer)
        repository.outcomes[answer.resource] = answer.outcome
        if answer.outcome == SCOPE_MISSING and answer.requests:
            self._denied[answer.resource] = ["(refused before)"]
        if answer.outcome == OK:
            if answer.resource == PULL_REQUEST_STATUSES.name:
                repository.builds[int(answer.item_key)] = answer.objects[0][1]["values"]
            else:
                self._remember(repository, answer.resource, [body for _, body in answer.objects])
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

    @staticmethod
    def _remember(repository: _Repository, resource: str, bodies: list[Body]) -> None:
        if resource == BRANCH_RESTRICTIONS.name:
            repository.restrictions.extend(bodies)
        elif resource == PULL_REQUESTS.name:
            repository.pull_requests.extend(bodies)


_ASKED = "asked"  # stands for an outcome while the call is under way
_NEWEST_PIPELINE = {"sort": "-created_on", "pagelen": 1}


def breaks_the_build_rule(statuses: list[Body]) -> bool:
    """A merged pull request breaks the rule when it has no build status, or one that is not SUCCESSFUL."""
    return not statuses or any(status.get("state") != "SUCCESSFUL" for status in statuses)


def _refers_to_branching_model(repository: _Repository) -> bool:
    return bool(repository.main_branch) and any(
        body.get("branch_match_kind") == "branching_model" and body.get("kind") in PROTECTING_KINDS
        for body in repository.restrictions
    )


def _destination(body: Body) -> str | None:
    branch = (body.get("destination") or {}).get("branch") or {}
    name = branch.get("name")
    return name if isinstance(name, str) else None
