"""What Integrations shows of the Bitbucket connection: its state, its scopes, what they decide, requests left.

Nothing secret leaves this module: pages are given ``View``, never the connection's settings.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bitbucket_cloud.auth.scopes import expand
from bitbucket_cloud.errors import BitbucketError
from bitbucket_cloud.rate_limit.ledger import consumer_of
from bitbucket_cloud.settings import AUTHORIZATION_CODE, Settings
from bitbucket_compliance.core.bitbucket import connection_ids
from bitbucket_compliance.core.errors import PipelineError, one_line
from bitbucket_compliance.pipeline.extract.preflight import bases_available
from bitbucket_compliance.security_tests import CATALOGUE
from compliance_console_app.database import Connection, row, rows


@dataclass(frozen=True)
class Scope:
    """A scope and why it is asked for.

    Attributes:
        name: as Bitbucket calls it.
        label: what its box is called on the page of the OAuth consumer.
        reason: what it is for.
        needed: whether the connection asks for it by itself.
    """

    name: str
    label: str
    reason: str
    needed: bool = True


SCOPES = (
    Scope("account", "Account: Read", "Members of the workspace and their roles: who has access, and who has left."),
    Scope(
        "repository", "Repositories: Read", "The list of repositories, and the build statuses of merged pull requests."
    ),
    Scope(
        "pullrequest",
        "Pull requests: Read",
        "Who approved what was merged: number, author, branch, dates; no text. The merge checks of an open one, which "
        "show what is required before a merge.",
    ),
    Scope("webhook", "Webhooks: Read and write", "So that Bitbucket can tell of changes between two runs."),
    Scope("pipeline", "Pipelines: Read", "Whether pipelines run, and how the newest one ended; no logs or variables."),
    Scope(
        "repository:admin",
        "Repositories: Admin",
        "Branch restrictions (who may push, force and delete) and the Pipelines setting, which Bitbucket shows to "
        "nobody else. It would also let its "
        "bearer change permissions and delete repositories, so it is never asked for unless you tick it.",
        needed=False,
    ),
)

#: what is read, and what never is
DATA_ACCESS = (
    ("Repositories: name, visibility, main branch, project, language, dates", "read"),
    ("Branch restrictions and branching model, where the scopes allow it", "read"),
    (
        "Pull requests: number, state, author, destination, who approved, dates; merge checks of an open one, build "
        "statuses of a few merged ones",
        "read",
    ),
    ("Members: name, account id, role; addresses only to confirm those that you declared", "read"),
    ("Pipelines: whether switched on, state of the newest run", "read"),
    ("Two-step verification of members", "by evidence that you upload, only"),
    ("Source code, commit history, diffs, downloads", "no access"),
    ("Titles, descriptions and comments of pull requests", "no access"),
    ("Issues, wikis, snippets", "no access"),
    ("Pipeline logs, variables, secrets, artifacts", "no access"),
)


@dataclass(frozen=True)
class Requests:
    """Requests of the rolling hour; ``limit`` None: there is none."""

    used: int
    limit: int | None
    paused_until: datetime | None

    @property
    def left(self) -> int | None:
        """How many are free now."""
        return None if self.limit is None else max(0, self.limit - self.used)


@dataclass(frozen=True)
class View:
    """What the page shows of the connection.

    Attributes:
        conn_id: Airflow's connection id.
        problem: why the connection can't be used as it stands; None: it can.
        needs_consent: whether a person has to connect it (grant authorization_code).
        auth: the grant, as the connection names it.
        api_url: which Bitbucket.
        workspaces: slugs that the connection names.
        status: ``connected``, ``needs_reconnect`` or ``not_connected``.
        reason: why it needs reconnecting.
        connected_by, connected_at: who consented and when.
        granted: scopes with those they include; None: not known.
        requests: of the hour; None where the connection can't be read.
        is_stored: whether Airflow keeps the connection, so that it is edited there; else the deployment sets it.
    """

    conn_id: str
    problem: str | None = None
    needs_consent: bool = False
    auth: str = ""
    api_url: str = ""
    workspaces: tuple[str, ...] = ()
    status: str = "not_connected"
    reason: str | None = None
    connected_by: str | None = None
    connected_at: datetime | None = None
    granted: frozenset[str] | None = None
    requests: Requests | None = None
    is_stored: bool = True

    @property
    def scopes(self) -> list[tuple[Scope, bool | None]]:
        """Each scope, and whether it is granted; None: not known."""
        return [(scope, None if self.granted is None else scope.name in self.granted) for scope in SCOPES]

    @property
    def tests(self) -> list[dict[str, Any]]:
        """For each test, by which bases these scopes let it be decided, and what the others lack."""
        found = []
        for test in CATALOGUE:
            by_basis = bases_available(test, self.granted)
            able = [basis for basis, lack in by_basis.items() if lack is None]
            if "evidence_accepted" in test.reasons and "evidence" not in able:
                able.append("accepted evidence")
            lacking = [f"{basis}: {lack}" for basis, lack in by_basis.items() if lack is not None]
            found.append({"test_id": test.test_id, "title": test.title, "able": able, "lacking": lacking})
        return found


class ConnectionUnusable(PipelineError):
    """The Airflow connection is not there, or a field of it can't be used."""


def settings(conn_id: str) -> Settings:
    """The connection as Airflow holds it, checked.

    Raises:
        ConnectionUnusable: it is not there, or a field can't be used; the message names it.
    """
    from bitbucket_cloud.hooks.bitbucket import BitbucketHook
    from bitbucket_compliance.core.airflow_errors import AirflowException

    try:
        return BitbucketHook(conn_id).settings
    except BitbucketError as error:
        raise ConnectionUnusable(one_line(error)) from None
    except (AirflowException, ValueError, TypeError) as error:
        raise ConnectionUnusable(
            f"there is no Airflow connection {conn_id} that can be read ({type(error).__name__}); "
            "create it under Admin → Connections"
        ) from None


def view(connection: Connection, conn_id: str) -> View:
    """The connection's state for the page."""
    state = row(connection, "connections/state", {"conn_id": conn_id})
    known = dict(state) if state else {}
    is_stored = not os.environ.get(f"AIRFLOW_CONN_{conn_id.upper()}")
    try:
        found = settings(conn_id)
    except ConnectionUnusable as error:
        return View(conn_id, problem=str(error), is_stored=is_stored, **_consent(known))
    needs_consent = found.auth == AUTHORIZATION_CODE
    if not needs_consent:
        last = row(connection, "connections/last_scopes", {"workspaces": list(found.workspaces)})
        scopes = last["scopes_granted"] if last else None
        consent: dict[str, Any] = {"status": "connected", "granted": None if scopes is None else expand(scopes)}
    else:
        consent = _consent(known)
    return View(
        conn_id,
        needs_consent=needs_consent,
        auth=found.auth,
        api_url=found.api_url,
        workspaces=found.workspaces,
        requests=_requests(connection, found),
        is_stored=is_stored,
        **consent,
    )


def _consent(state: Mapping[str, Any]) -> dict[str, Any]:
    if not state:
        return {"status": "not_connected"}
    scopes = state["scopes"]
    return {
        "status": state["status"],
        "reason": state["status_reason"],
        "connected_by": state["connected_by"],
        "connected_at": state["connected_at"],
        "granted": None if scopes is None else expand(scopes),
    }


def _requests(connection: Connection, found: Settings) -> Requests:
    use = row(connection, "connections/requests", {"consumer": consumer_of(found)}) or {}
    own = found.requests_per_hour or None
    # A connection without a limit has none, whatever was stated.
    limit = own and (use.get("stated_limit") or own)
    return Requests(int(use.get("requests") or 0), limit, use.get("paused_until"))


def standing(connection: Connection, conn_id: str) -> dict[str, Any] | None:
    """What the audit trail keeps of a connection; None: it has no tokens."""
    state = row(connection, "connections/state", {"conn_id": conn_id})
    return {name: state[name] for name in ("status", "connected_by", "scopes")} if state else None


def last_syncs(connection: Connection, workspaces: tuple[str, ...]) -> list[dict[str, Any]]:
    """For each workspace of the connection its newest run, and the newest that published."""
    return rows(connection, "connections/syncs", {"workspaces": list(workspaces)})


def by_workspace(connection: Connection) -> dict[str, str]:
    """By workspace that a connection names, in lower case, which one it is and in which state; the first one counts."""
    found: dict[str, str] = {}
    for conn_id in connection_ids():
        try:
            named = settings(conn_id)
        except ConnectionUnusable:
            continue
        state = row(connection, "connections/state", {"conn_id": conn_id})
        status = _consent(state or {})["status"] if named.auth == AUTHORIZATION_CODE else "connected"
        for workspace in named.workspaces:
            found.setdefault(workspace.lower(), f"{conn_id}: {status.replace('_', ' ')}")
    return found


def decided_by(connection: Connection, workspaces: tuple[str, ...]) -> dict[str, list[dict[str, Any]]]:
    """By test, for each workspace that was judged, by what its subjects were decided, as a sentence."""
    found: dict[str, list[dict[str, Any]]] = {}
    for told in rows(connection, "connections/decided_by", {"workspaces": [slug.lower() for slug in workspaces]}):
        found.setdefault(told["test_id"], []).append(told)
    return found


def history(connection: Connection, conn_id: str) -> list[dict[str, Any]]:
    """What people and Bitbucket did to the connection, newest first; plain refreshes left out."""
    return rows(connection, "connections/history", {"conn_id": conn_id})
