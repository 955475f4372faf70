"""Preflight: one cheap request that tells what the rest of the run may ask, and what its tests can decide by it."""

import logging
from collections.abc import Mapping

from psycopg.types.json import Jsonb

from bitbucket_compliance.core.database import Connection
from bitbucket_compliance.core.errors import BitbucketUnavailable, WaitForRequests
from bitbucket_compliance.pipeline.extract.fetch import Call, Client, read, resumed
from bitbucket_compliance.pipeline.extract.landing.results import FAILED, OK
from bitbucket_compliance.pipeline.extract.landing.writer import LandingWriter, checkpoints
from bitbucket_compliance.pipeline.run.run import Run
from bitbucket_compliance.resources.catalogue import BY_NAME, IDENTITY_ROLE
from bitbucket_compliance.security_tests import CATALOGUE
from bitbucket_compliance.security_tests.model import SecurityTest

log = logging.getLogger(__name__)

#: by basis: None where the grant lets a test be decided by it, else what is missing
BasesAvailable = Mapping[str, str | None]


def preflight(connection: Connection, run: Run, client: Client) -> None:
    """Note the granted scopes, the identity's role and which tests each basis can decide; log what can't and why.

    Asks for the identity's own role in the workspace. A token that stands for no user may be refused it: the response
    names the scopes all the same, and the role stays unknown.

    Raises:
        ConnectionRefused: key, secret or token are refused.
        BitbucketUnavailable: nobody answers.
        WaitForRequests: see ``extract``.
    """
    writer = LandingWriter(connection, run)
    (call,) = resumed([Call(IDENTITY_ROLE, {"workspace": run.workspace})], checkpoints(connection, run))
    # No transaction stays open while Bitbucket is waited for: servers end those that idle.
    connection.commit()
    try:
        result = read(client, call)
    except WaitForRequests as waiting:
        writer.keep(waiting.checkpoints)
        writer.flush()
        raise
    if result.outcome == FAILED:
        raise BitbucketUnavailable(f"Bitbucket gives no answer to start from: {result.message}")
    body = result.objects[0][1] if result.outcome == OK and result.objects else {}
    role = str(body["permission"]) if body.get("permission") else None
    writer.add(result)
    writer.flush()
    granted = client.granted_scopes
    available = {test.test_id: bases_available(test, granted) for test in CATALOGUE if run.policy.enabled(test.test_id)}
    connection.execute(
        "UPDATE integration.runs SET scopes_granted = %s, identity_role = %s, bases_available = %s WHERE run_id = %s",
        (None if granted is None else sorted(granted), role, Jsonb(available), run.run_id),
    )
    connection.commit()
    _log(run, granted, role, available)


def bases_available(test: SecurityTest, granted: frozenset[str] | None) -> BasesAvailable:
    """By which bases of ``test`` a token with these scopes can decide it; unknown scopes are taken for enough."""
    found: dict[str, str | None] = {}
    for basis, resources in test.bases.items():
        missing = sorted({scope for name in resources for scope in BY_NAME[name].missing_scopes(granted)})
        found[basis] = f"scope {', '.join(missing)}" if missing else None
    return found


def _log(run: Run, granted: frozenset[str] | None, role: str | None, available: Mapping[str, BasesAvailable]) -> None:
    scopes = "not told" if granted is None else " ".join(sorted(granted)) or "none"
    log.info("scopes granted: %s; role in workspace %s: %s", scopes, run.workspace, role or "not told")
    for test_id, by_basis in available.items():
        others = [basis for basis, missing in by_basis.items() if basis != "configuration" and missing is None]
        instead = f"; {' and '.join([*others, 'evidence'])} can"
        for basis, missing in by_basis.items():
            if missing:
                log.info(
                    "%s can't be decided by %s: %s would change that%s",
                    test_id,
                    basis,
                    missing,
                    instead if basis == "configuration" else "",
                )
    if role not in (None, "owner"):
        log.info(
            "the identity is no owner of workspace %s: rules of single repositories may stay unreadable, "
            "and addresses of members can't be confirmed",
            run.workspace,
        )
