"""Preflight: one cheap request that tells what the rest of the run may ask, and what its tests can decide by it."""

import logging
from collections.abc import Mapping

from psycopg.types.json import Jsonb

from bitbucket_compliance.core.database import Connection
from bitbucket_compliance.core.errors import BitbucketUnavailable, WaitForRequests
from bitbucket_compliance.pipeline.extract import fetch
from bitbucket_compliance.pipeline.extract.fetch import Call, Client
from bitbucket_compliance.pipeline.extract.landing import FAILED, OK, LandingWriter, broken_off
from bitbucket_compliance.pipeline.extract.resources import BY_NAME, IDENTITY_ROLE
from bitbucket_compliance.pipeline.run.run import Run
from bitbucket_compliance.security_tests import CATALOGUE
from bitbucket_compliance.security_tests.model import SecurityTest

log = logging.getLogger(__name__)

#: by basis: None where the grant lets a test be decided by it, else what is missing
Decidable = Mapping[str, str | None]


def preflight(connection: Connection, run: Run, client: Client) -> None:
    """Note the granted scopes, the identity's role and which tests each basis can decide; log what can't and why.

    Asks for the identity's own role in the workspace. A token that stands for no user may be refused it: its answer
    names the scopes all the same, and the role stays unknown.

    Raises:
        ConnectionRefused: key, secret or token are refused.
        BitbucketUnavailable: nobody answers.
        WaitForRequests: see ``extract``.
    """
    writer = LandingWriter(connection, run)
    (call,) = fetch.resumed([Call(IDENTITY_ROLE, {"workspace": run.workspace})], broken_off(connection, run))
    try:
        answer = fetch.read_object(client, call)
    except WaitForRequests as waiting:
        writer.keep(waiting.broken_off)
        writer.flush()
        raise
    if answer.outcome == FAILED:
        raise BitbucketUnavailable(f"Bitbucket gives no answer to start from: {answer.message}")
    body = answer.objects[0][1] if answer.outcome == OK and answer.objects else {}
    role = str(body["permission"]) if body.get("permission") else None
    writer.add(answer)
    writer.flush()
    granted = client.granted_scopes
    decidable = {test.test_id: bases(test, granted) for test in CATALOGUE if run.policy.enabled(test.test_id)}
    connection.execute(
        "UPDATE integration.runs SET scopes_granted = %s, identity_role = %s, decidable = %s WHERE run_id = %s",
        (None if granted is None else sorted(granted), role, Jsonb(decidable), run.run_id),
    )
    connection.commit()
    _say(run, granted, role, decidable)


def bases(test: SecurityTest, granted: frozenset[str] | None) -> Decidable:
    """By which bases of ``test`` a token with these scopes can decide it; unknown scopes are taken for enough."""
    found: dict[str, str | None] = {}
    for basis, resources in test.bases.items():
        missing = sorted({scope for name in resources for scope in fetch.missing_scopes(BY_NAME[name], granted)})
        found[basis] = f"scope {', '.join(missing)}" if missing else None
    return found


def _say(run: Run, granted: frozenset[str] | None, role: str | None, decidable: Mapping[str, Decidable]) -> None:
    scopes = "not told" if granted is None else " ".join(sorted(granted)) or "none"
    log.info("scopes granted: %s; role in workspace %s: %s", scopes, run.workspace, role or "not told")
    for test_id, by_basis in decidable.items():
        missing = by_basis.get("configuration")
        if missing:
            others = [basis for basis, lack in by_basis.items() if basis != "configuration" and lack is None]
            instead = " and ".join([*others, "evidence"])
            log.info("%s can't be decided by configuration: %s would change that; %s can", test_id, missing, instead)
        for basis, lack in by_basis.items():
            if lack and basis != "configuration":
                log.info("%s can't be decided by %s: %s would change that", test_id, basis, lack)
    if role not in (None, "owner"):
        log.info(
            "the identity is no owner of workspace %s: rules of single repositories may stay unreadable, "
            "and addresses of members can't be confirmed",
            run.workspace,
        )
