"""The listings of a workspace: repositories, members, roles, and the declared addresses that Bitbucket confirms.

A run for events of webhooks asks for the repositories they touched instead, one by one.
"""

import itertools
import logging
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from bitbucket_compliance.core.database import Connection, run_sql
from bitbucket_compliance.core.errors import BitbucketUnavailable, ConnectionRefused, WaitForRequests, WorkspaceUnknown
from bitbucket_compliance.pipeline.extract import fetch, plan
from bitbucket_compliance.pipeline.extract.fetch import Call, Client, resumed
from bitbucket_compliance.pipeline.extract.landing import (
    NOT_FOUND,
    OK,
    PERMISSION_MISSING,
    SCOPE_MISSING,
    Answer,
    LandingWriter,
    broken_off,
)
from bitbucket_compliance.pipeline.extract.resources import (
    MEMBER_EMAILS,
    MEMBER_ROLES,
    MEMBERS,
    REPOSITORIES,
    REPOSITORY,
    REQUIRED_SCOPES,
    WORKSPACE,
)
from bitbucket_compliance.pipeline.run import events
from bitbucket_compliance.pipeline.run.run import Run

log = logging.getLogger(__name__)

EMAILS_A_CALL = 90  # the official document of workspace members

# What may stand in a filter's string unescaped; anything else is no address Bitbucket would know.
_ADDRESS = re.compile(r"[^\s\"\\<>(),;]+@[^\s\"\\<>(),;]+")


def list_workspace(connection: Connection, run: Run, client: Client) -> None:
    """Land the workspace's repositories, members, their roles and the declared addresses Bitbucket confirms.

    The listings don't need each other and are read side by side. What an earlier try landed isn't asked for again.
    A run for events lands the repositories that they touched, and the whole listing only where a repository came, went
    or is called otherwise. The events that the run answers are taken up before anything is read.

    Raises:
        WorkspaceUnknown: Bitbucket doesn't show this workspace to this identity.
        ConnectionRefused: credentials refused, or a scope no run can do without is missing.
        BitbucketUnavailable: a listing could not be read after all retries.
        WaitForRequests: see ``extract``.
    """
    touched = events.take_up(connection, run, plan.reading_cost(connection, run) + 1, client.limiter.limit)
    if run.only_events:
        _Touched(connection, run, client).read(touched)
    else:
        _Listings(connection, run, client).read()


class _Reader:
    """Reads calls side by side, and lands what of them has not landed yet."""

    def __init__(self, connection: Connection, run: Run, client: Client):
        self._run = run
        self._client = client
        self._writer = LandingWriter(connection, run)
        self._outcomes = {
            (row["resource"], row["repository_id"], row["item_key"]): row["outcome"]
            for row in run_sql(connection, "pipeline/extract/landed_listings.sql", run.keys)
        }
        self._broken_off = broken_off(connection, run)
        connection.commit()

    def _land(self, calls: list[Call]) -> None:
        wanted = [call for call in calls if call.key not in self._outcomes]
        answers, waiting = self._side_by_side(resumed(wanted, self._broken_off))
        note_scopes(self._writer.connection, self._run, self._client.granted_scopes)
        for answer in answers:
            self._take(answer)
        self._complete(answers, may_ask=waiting is None)
        if waiting is not None:
            self._writer.keep(waiting.broken_off)
        self._writer.flush()
        if waiting is not None:
            raise waiting

    def _complete(self, answers: list[Answer], *, may_ask: bool) -> None:
        """What follows from the answers, before they land."""

    def _side_by_side(self, calls: list[Call]) -> tuple[list[Answer], WaitForRequests | None]:
        """The answers in the order of the calls, and the reason to come back for the rest."""
        answers: list[Answer] = []
        waiting: WaitForRequests | None = None
        with ThreadPoolExecutor(max_workers=self._client.connections) as pool:
            for future in [pool.submit(self._ask, call) for call in calls]:
                try:
                    answers.append(future.result())
                except WaitForRequests as wait:
                    waiting = wait.joined(waiting)
        return answers, waiting

    def _ask(self, call: Call) -> Answer:
        if call.resource is REPOSITORY:
            return fetch.read_object(self._client, call)
        if call.resource is MEMBER_EMAILS:
            return _only_asked(fetch.read_addresses(self._client, call), call)
        return fetch.read_listing(self._client, call)

    def _take(self, answer: Answer) -> None:
        if answer.resource in (REPOSITORIES.name, MEMBERS.name):
            demand(self._run, answer, self._client.granted_scopes)
            log.info("progress: %d %s listed", len(answer.objects), answer.resource)
        self._outcomes[(answer.resource, answer.repository_id, answer.item_key)] = answer.outcome
        self._writer.add(answer)


class _Listings(_Reader):
    """Reads the workspace's listings."""

    def __init__(self, connection: Connection, run: Run, client: Client):
        super().__init__(connection, run, client)
        self._addresses = _address_calls(connection, run)
        connection.commit()

    def read(self) -> None:
        """Land everything; in two steps, for one refused batch of addresses spares the others."""
        workspace = {"workspace": self._run.workspace}
        listings = [Call(resource, workspace) for resource in (REPOSITORIES, MEMBERS, MEMBER_ROLES)]
        self._land([*listings, *self._addresses[:1]])
        if self._addresses and self._outcomes.get(self._addresses[0].key) == OK:
            self._land(self._addresses[1:])

    def _complete(self, answers: list[Answer], *, may_ask: bool) -> None:
        """The workspace's identity: every listed object carries it; it is asked for only where nothing was listed."""
        if (WORKSPACE.name, "", "") in self._outcomes:
            return
        for _, body in itertools.chain.from_iterable(answer.objects for answer in answers):
            found = body.get("workspace") or {}
            if found.get("uuid"):
                self._take(Answer(WORKSPACE.name, OK, objects=[(found["uuid"], found)]))
                return
        if may_ask:
            answer = fetch.read_object(self._client, Call(WORKSPACE, {"workspace": self._run.workspace}))
            demand(self._run, answer, self._client.granted_scopes)
            self._take(answer)


class _Touched(_Reader):
    """Reads the repositories that events touched."""

    def read(self, touched: Sequence[events.Touched]) -> None:
        """Land them, or the listing of the workspace where they alone don't tell what happened."""
        if not any(one.needs_listing for one in touched):
            calls = [self._call(one.repository_id) for one in touched]
            self._land(calls)
            if all(self._outcomes.get(call.key) == OK for call in calls):
                return
            # Gone, out of sight, or not to be read now: nothing is judged by the main branch of before. The listing
            # tells whether they leave the results, and the run does not go on without it.
        self._land([Call(REPOSITORIES, {"workspace": self._run.workspace})])

    def _call(self, repository_id: str) -> Call:
        # Bitbucket takes the uuid in the place of the slug, which may be another by now.
        return Call(REPOSITORY, {"workspace": self._run.workspace, "repo_slug": repository_id}, repository_id)


def demand(run: Run, answer: Answer, granted: frozenset[str] | None) -> None:
    """Go on only with an answer that the run can't do without.

    Raises:
        WorkspaceUnknown, ConnectionRefused, BitbucketUnavailable: see ``list_workspace``.
    """
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


def note_scopes(connection: Connection, run: Run, granted: frozenset[str] | None) -> None:
    """Note the scopes that Bitbucket states on its answers; joins the open transaction."""
    if granted is None or granted == run.scopes_granted:
        return
    connection.execute(
        "UPDATE integration.runs SET scopes_granted = %s WHERE run_id = %s", (sorted(granted), run.run_id)
    )


def _address_calls(connection: Connection, run: Run) -> list[Call]:
    declared = [row["email"] for row in run_sql(connection, "pipeline/extract/declared_emails.sql")]
    addresses = [address for address in declared if _ADDRESS.fullmatch(address)]
    batches = [addresses[start : start + EMAILS_A_CALL] for start in range(0, len(addresses), EMAILS_A_CALL)]
    return [
        Call(
            MEMBER_EMAILS,
            {"workspace": run.workspace},
            item_key=str(number),
            params={"q": "user.email IN ({})".format(",".join(f'"{address}"' for address in batch))},
        )
        for number, batch in enumerate(batches)
    ]


def _only_asked(answer: Answer, call: Call) -> Answer:
    """Bitbucket may disclose addresses only where it was asked for them; keep nothing else."""
    asked = str((call.params or {}).get("q", ""))
    kept = [(key, body) for key, body in answer.objects if f'"{body["user"]["email"].strip().lower()}"' in asked]
    return replace(answer, objects=kept)
