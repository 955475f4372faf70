"""Preflight: one cheap request that tells what the rest of the run may ask, and what its tests can decide by it."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from psycopg.types.json import Jsonb

from bitbucket_compliance.core.database import Connection
from bitbucket_compliance.core.errors import BitbucketUnavailable, WaitForRequests
from bitbucket_compliance.pipeline.extract.fetch import Call, Client, read, resumed
from bitbucket_compliance.pipeline.extract.landing.results import FAILED, NOT_FOUND, OK, CallResult
from bitbucket_compliance.pipeline.extract.landing.writer import LandingWriter, checkpoints
from bitbucket_compliance.pipeline.run.identity import recognise
from bitbucket_compliance.pipeline.run.run import Run
from bitbucket_compliance.resources.catalogue import BY_NAME, IDENTITY_ROLE, MERGE_CHECKS, WORKSPACE
from bitbucket_compliance.resources.model import Body
from bitbucket_compliance.security_tests import BY_ID, CATALOGUE
from bitbucket_compliance.security_tests.model import SecurityTest

log = logging.getLogger(__name__)

#: by basis: None where the grant lets a test be decided by it, else what is missing
BasesAvailable = Mapping[str, str | None]


def preflight(connection: Connection, run: Run, client: Client) -> None:
    """Note the granted scopes, the identity's role and which tests each basis can decide; log what can't and why.

    Asks for the identity's own role in the workspace. A token that stands for no user may be refused it, and Bitbucket
    may have taken the endpoint out of service, or fail on it: the role stays unknown, and no verdict rests on it.

    Raises:
        ConnectionRefused: key, secret or token are refused.
        BitbucketUnavailable: nobody answers.
        WaitForRequests: see ``extract``.
        WorkspaceUnknown, RunNotNeeded, WaitForOtherRun: see ``recognise``.
    """
    try:
        result = _ask_for_role(connection, run, client)
    except WaitForRequests as waiting:
        writer = LandingWriter(connection, run)
        writer.keep(waiting.checkpoints)
        writer.flush()
        raise
    if result.outcome == FAILED:
        if result.http_status is None:
            raise BitbucketUnavailable(f"Bitbucket did not answer the first request: {result.message}")
        log.warning("the role of the identity in workspace %s is not known: %s", run.workspace, result.message)
    body = result.objects[0][1] if result.outcome == OK and result.objects else {}
    run = _recognised(connection, run, client, body.get("workspace") or {})
    role = str(body["permission"]) if body.get("permission") else None
    writer = LandingWriter(connection, run)
    writer.add(result)
    writer.flush()
    connection.execute("UPDATE integration.runs SET identity_role = %s WHERE run_id = %s", (role, run.run_id))
    available = note_scopes(connection, run, client)
    connection.commit()
    _log(run, known_scopes(run, client), role, available)


def _ask_for_role(connection: Connection, run: Run, client: Client) -> CallResult:
    """The answer about the role; by the workspace's uuid where it is not there any more by the slug it was known by."""
    (call,) = resumed([Call(IDENTITY_ROLE, {"workspace": run.asked_as})], checkpoints(connection, run))
    # No transaction stays open while Bitbucket is waited for: servers end those that idle.
    connection.commit()
    result = read(client, call)
    if result.outcome == NOT_FOUND and run.workspace_id:
        again = read(client, Call(IDENTITY_ROLE, {"workspace": run.workspace_id}))
        return replace(again, requests=again.requests + result.requests)
    return result


def _recognised(connection: Connection, run: Run, client: Client, named: Body) -> Run:
    """The run under the slug that its workspace has today.

    Args:
        named: the workspace as the answer about the role names it; where that does not say which one it is, and nothing
            else tells, the workspace itself is asked for.
    """
    if not _says_which(named) and (run.workspace_id is None or run.asked_as != run.workspace):
        result = read(client, Call(WORKSPACE, {"workspace": run.asked_as}))
        named = result.objects[0][1] if result.outcome == OK and result.objects else {}
    return recognise(connection, run, named["uuid"], named["slug"]) if _says_which(named) else run


def _says_which(named: Body) -> bool:
    return bool(named.get("uuid") and named.get("slug"))


def known_scopes(run: Run, client: Client) -> frozenset[str] | None:
    """The scopes that Bitbucket stated in this run, to this process or to one before it; None: it stated none yet."""
    stated = [scopes for scopes in (run.scopes_granted, client.granted_scopes) if scopes is not None]
    return frozenset().union(*stated) if stated else None


def note_scopes(connection: Connection, run: Run, client: Client) -> Mapping[str, BasesAvailable]:
    """Note the scopes that are known by now and what they let each enabled test decide; joins the open transaction.

    Returns:
        What they let each test decide.
    """
    granted = known_scopes(run, client)
    available = {test.test_id: bases_available(test, granted) for test in CATALOGUE if run.policy.enabled(test.test_id)}
    connection.execute(
        "UPDATE integration.runs SET scopes_granted = %s, bases_available = %s WHERE run_id = %s",
        (None if granted is None else sorted(granted), Jsonb(available), run.run_id),
    )
    return available


def bases_available(test: SecurityTest, granted: frozenset[str] | None) -> BasesAvailable:
    """By which bases of ``test`` a token with these scopes can decide it; unknown scopes are taken for enough.

    What is required before a merge shows in the merge checks of an open pull request too.
    """
    found: dict[str, str | None] = {}
    for basis, resources in test.bases.items():
        missing = missing_scopes(resources, granted)
        by_checks = basis == "configuration" and test.merge_rule and not missing_scopes([MERGE_CHECKS.name], granted)
        found[basis] = f"scope {', '.join(missing)}" if missing and not by_checks else None
    return found


def missing_scopes(resources: Iterable[str], granted: frozenset[str] | None) -> list[str]:
    """The scopes that reading all of these resources takes and that were not granted."""
    return sorted({scope for name in resources for scope in BY_NAME[name].missing_scopes(granted)})


def told(available: Mapping[str, BasesAvailable], granted: frozenset[str] | None) -> Iterator[str]:
    """Sentences on what the granted scopes let tests decide, and on what they don't.

    Args:
        available: by test, as `bases_available` gives it.
        granted: the scopes with those they include; None: not known.
    """
    for test_id, by_basis in available.items():
        test = BY_ID[test_id]
        own_rules = missing_scopes(test.bases.get("configuration", ()), granted)
        if test.merge_rule and own_rules and by_basis["configuration"] is None:
            yield (
                f"{test_id} is decided by the merge checks of an open pull request where there is one, else by "
                f"behaviour or evidence: without scope {', '.join(own_rules)} the repository's own rules can't be read"
            )
        others = [basis for basis, missing in by_basis.items() if basis != "configuration" and missing is None]
        instead = f"; {' and '.join([*others, 'evidence'])} can"
        for basis, missing in by_basis.items():
            if missing:
                yield (
                    f"{test_id} can't be decided by {basis}: {missing} would change that"
                    f"{instead if basis == 'configuration' else ''}"
                )


def _log(run: Run, granted: frozenset[str] | None, role: str | None, available: Mapping[str, BasesAvailable]) -> None:
    scopes = "not told" if granted is None else " ".join(sorted(granted)) or "none"
    log.info("scopes granted: %s; role in workspace %s: %s", scopes, run.workspace, role or "not told")
    for sentence in told(available, granted):
        log.info("%s", sentence)
    if role not in (None, "owner"):
        log.info(
            "the identity is no owner of workspace %s: rules of single repositories may stay unreadable, "
            "and addresses of members can't be confirmed",
            run.workspace,
        )
