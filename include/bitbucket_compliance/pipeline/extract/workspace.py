"""The listings of a workspace: repositories, members, roles, and the declared addresses that Bitbucket confirms.

A run for events of webhooks asks for the repositories they are about instead, one by one.
"""

import itertools
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from bitbucket_compliance.core.database import Connection, run_sql
from bitbucket_compliance.core.errors import BitbucketUnavailable, ConnectionRefused, WaitForRequests, WorkspaceUnknown
from bitbucket_compliance.pipeline.extract import fetch
from bitbucket_compliance.pipeline.extract.addresses import batch_key, batches, declared_addresses, due_addresses
from bitbucket_compliance.pipeline.extract.fetch import Call, Client, resumed
from bitbucket_compliance.pipeline.extract.landing.results import (
    FAILED,
    NOT_FOUND,
    OK,
    PERMISSION_MISSING,
    SCOPE_MISSING,
    CallResult,
)
from bitbucket_compliance.pipeline.extract.landing.writer import LandingWriter, checkpoints
from bitbucket_compliance.pipeline.extract.plan.costs import reading_cost
from bitbucket_compliance.pipeline.extract.preflight import known_scopes, note_scopes
from bitbucket_compliance.pipeline.extract.selection import wanted
from bitbucket_compliance.pipeline.run.events.claim import Announced, claim_events
from bitbucket_compliance.pipeline.run.run import Run
from bitbucket_compliance.resources.catalogue import (
    BY_NAME,
    MEMBER_EMAILS,
    REPOSITORIES,
    REPOSITORY,
    RESOURCES,
    WORKSPACE,
)

log = logging.getLogger(__name__)


def list_workspace(connection: Connection, run: Run, client: Client) -> None:
    """Land the workspace's repositories, members, their roles and the declared addresses Bitbucket confirms.

    The listings don't need each other and are read side by side. What an earlier try landed isn't asked for again.
    A run for events lands the repositories that they are about, and the whole listing only where a repository came,
    went or is called otherwise. The run claims its events before anything is read.

    Raises:
        WorkspaceUnknown: Bitbucket doesn't show this workspace to this identity.
        ConnectionRefused: credentials refused, or a scope no run can do without is missing.
        BitbucketUnavailable: a listing could not be read after all retries.
        WaitForRequests: see ``extract``.
    """
    announced = claim_events(connection, run, reading_cost(connection, run) + 1, client.limiter.limit)
    reader = _Reader(connection, run, client)
    if run.incremental:
        reader.read_announced(announced)
    else:
        reader.read_listings()
        reader.look_up_addresses()


class _Reader:
    """Reads calls side by side, and lands what of them has not landed yet."""

    def __init__(self, connection: Connection, run: Run, client: Client):
        self._run = run
        self._client = client
        self._writer = LandingWriter(connection, run)
        landed = run_sql(
            connection, "pipeline/extract/landed_listings.sql", {**run.keys, "repository": REPOSITORY.name}
        )
        self._outcomes = {(row["resource"], row["repository_id"], row["item_key"]): row["outcome"] for row in landed}
        self._checkpoints = checkpoints(connection, run)
        self._path = {"workspace": run.workspace}
        connection.commit()

    def read_listings(self) -> None:
        """Land every listing."""
        listings = [
            Call(resource, self._path, workspace_id=self._run.workspace_id)
            for resource in wanted(self._run.policy)
            if resource.of == "workspace" and resource.read_as == "listing"
        ]
        self._land(listings, with_workspace=True)

    def look_up_addresses(self) -> None:
        """Land what Bitbucket says of the addresses that are due; in two steps, for one refusal spares the rest."""
        connection = self._writer.connection
        declared = declared_addresses(connection, self._run.policy.thresholds)
        due = due_addresses(connection, self._run, declared)
        connection.commit()
        if declared:
            log.info("progress: asking for %d of %d declared addresses", len(due), len(declared))
        calls = [Call(MEMBER_EMAILS, self._path, item_key=batch_key(batch), addresses=batch) for batch in batches(due)]
        if declared and not calls:
            # That nothing was left to ask is an answer too.
            self._take(CallResult(MEMBER_EMAILS.name, OK))
            self._writer.flush()
        self._land(calls[:1])
        if calls and self._outcomes.get(calls[0].key) == OK:
            self._land(calls[1:])

    def read_announced(self, announced: Sequence[Announced]) -> None:
        """Land the repositories that events are about, or the listing where they alone don't tell what happened."""
        if not any(one.needs_listing for one in announced):
            # Bitbucket takes the uuid in the place of the slug, which may be another by now.
            calls = [
                Call(REPOSITORY, {**self._path, "repo_slug": one.repository_id}, one.repository_id) for one in announced
            ]
            self._land(calls)
            if all(self._outcomes.get(call.key) == OK for call in calls):
                return
            # Gone, out of sight, or not to be read now: nothing is judged by the main branch of before. The listing
            # tells whether they leave the results, and the run does not go on without it.
        self._land([Call(REPOSITORIES, self._path, workspace_id=self._run.workspace_id)])

    def _land(self, calls: Sequence[Call], *, with_workspace: bool = False) -> None:
        missing = resumed([call for call in calls if call.key not in self._outcomes], self._checkpoints)
        results, waiting = self._side_by_side(missing)
        note_scopes(self._writer.connection, self._run, self._client)
        # Taking the results may ask Bitbucket once more.
        self._writer.connection.commit()
        for result in results:
            self._take(result)
        if with_workspace:
            self._land_workspace(results, may_ask=waiting is None)
        if waiting is not None:
            self._writer.keep(waiting.checkpoints)
        self._writer.flush()
        if waiting is not None:
            raise waiting

    def _land_workspace(self, results: list[CallResult], *, may_ask: bool) -> None:
        """The workspace's identity: every listed object carries it; it is asked for only where nothing was listed."""
        if (WORKSPACE.name, "", "") in self._outcomes:
            return
        bodies = itertools.chain.from_iterable(result.objects for result in results)
        named = [body["workspace"] for _, body in bodies if (body.get("workspace") or {}).get("uuid")]
        if len({found["uuid"].lower() for found in named}) > 1:
            raise BitbucketUnavailable(
                f"the listings of {self._run.workspace!r} come from different workspaces: it was renamed, or "
                "another one took its slug over, while it was read; run again"
            )
        if named:
            self._take(CallResult(WORKSPACE.name, OK, objects=[(named[0]["uuid"], named[0])]))
        elif may_ask:
            self._take(fetch.read(self._client, Call(WORKSPACE, self._path)))

    def _side_by_side(self, calls: list[Call]) -> tuple[list[CallResult], WaitForRequests | None]:
        """The results in the order of the calls, and the reason to come back for the rest."""
        results: list[CallResult] = []
        waiting: WaitForRequests | None = None
        with ThreadPoolExecutor(max_workers=self._client.connections) as pool:
            for future in [pool.submit(fetch.read, self._client, call) for call in calls]:
                try:
                    results.append(future.result())
                except WaitForRequests as wait:
                    waiting = wait.joined(waiting)
        return results, waiting

    def _take(self, result: CallResult) -> None:
        resource = BY_NAME[result.resource]
        is_shown = self._outcomes.get((REPOSITORIES.name, "", "")) == OK
        if resource.may_fail and is_shown and result.outcome in (NOT_FOUND, PERMISSION_MISSING):
            # The workspace is there and may be read: this call alone went wrong, and stops no other verdict.
            result = replace(result, outcome=FAILED)
        if resource.required:
            demand(self._run, result, known_scopes(self._run, self._client))
        if resource.required and resource.read_as == "listing" and result.outcome == OK:
            log.info("progress: %d %s listed", len(result.objects), result.resource)
        self._outcomes[result.key] = result.outcome
        self._writer.add(result)


def demand(run: Run, result: CallResult, granted: frozenset[str] | None) -> None:
    """Go on only with a result that the run can't do without.

    Raises:
        WorkspaceUnknown, ConnectionRefused, BitbucketUnavailable: see ``list_workspace``.
    """
    if result.outcome == OK:
        return
    if result.outcome == FAILED and BY_NAME[result.resource].may_fail:
        log.warning(
            "%s of workspace %s could not be read: what rests on them is an error in this run; %s",
            result.resource,
            run.workspace,
            result.message,
        )
        return
    if result.outcome == NOT_FOUND:
        raise WorkspaceUnknown(
            f"workspace {run.workspace!r} does not exist or is not visible to this connection; "
            "check the slug and who granted the access"
        )
    if result.outcome == SCOPE_MISSING:
        needed = {scope: resource.required for resource in RESOURCES if resource.required for scope in resource.scopes}
        missing = [scope for scope in needed if granted is None or scope not in granted]
        named = " and ".join(f"{scope} (to {needed[scope]})" for scope in missing) or "required"
        raise ConnectionRefused(
            f"the Bitbucket connection lacks the scope {named}; tick it on the OAuth consumer and connect again"
        )
    if result.outcome == PERMISSION_MISSING:
        raise ConnectionRefused(
            f"this identity may not list {result.resource} of workspace {run.workspace!r}; "
            "let a member of the workspace grant the access"
        )
    raise BitbucketUnavailable(f"{result.resource} of workspace {run.workspace!r} could not be read: {result.message}")
