"""Connect and disconnect Bitbucket, start a run, watch it; before any of it, what is read and what never is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from airflow.configuration import conf
from fastapi import APIRouter, Depends, HTTPException, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from bitbucket_cloud.auth import oauth
from bitbucket_cloud.auth.encryption import TokenEncryption
from bitbucket_cloud.auth.vault.vault import TokenVault
from bitbucket_cloud.database import Database as BitbucketDatabase
from bitbucket_cloud.errors import BitbucketError
from bitbucket_cloud.settings import AUTHORIZATION_CODE, LABELS, Settings
from bitbucket_compliance.core.bitbucket import connection_ids
from bitbucket_compliance.core.errors import one_line
from bitbucket_compliance.registry import purges
from compliance_console_app.database import CONFIGURATION, Connection, Database, rows
from compliance_console_app.permissions import (
    Connector,
    Decider,
    Manager,
    Person,
    Reader,
    User,
    connector,
    decider,
)
from compliance_console_app.services import (
    connect_steps,
    connections,
    dag_runs,
    oauth_states,
    progress,
    purge,
    webhooks,
)
from compliance_console_app.services.audit import record
from compliance_console_app.services.connect_steps import Learned
from compliance_console_app.services.oauth_states import ConsentRefused
from compliance_console_app.services.queue import first_steps
from compliance_console_app.services.workspaces import Selected, Selection
from compliance_console_app.web.fields import one
from compliance_console_app.web.forms import Form
from compliance_console_app.web.listing import Listing, PageNumber
from compliance_console_app.web.pages import page, redirect

router = APIRouter()

CALLBACK = "/compliance/integrations/callback"
#: runs that one page watches
MOST_RUNS = 20

Text = Annotated[str, Query(max_length=2000)]


def _chosen(connection: Annotated[str, Query(max_length=250)] = "") -> str:
    """The Airflow connection to Bitbucket that a page or a form is about; the first where none is named."""
    known = connection_ids()
    if connection and connection not in known:
        raise HTTPException(404, detail="there is no such connection to Bitbucket")
    return connection or known[0]


Chosen = Annotated[str, Depends(_chosen)]


def _which(conn_id: str) -> str:
    """As an address names a connection: not at all where it is the first."""
    return "" if conn_id == connection_ids()[0] else conn_id


def _home(conn_id: str, path: str = "integrations") -> str:
    """The page of a connection."""
    return f"{path}?{urlencode({'connection': conn_id})}" if _which(conn_id) else path


def _refusals(user: User, manager: Manager) -> dict[str, str]:
    """By permission, why this login lacks it (empty: it has it); a button that would be refused isn't shown."""
    found = {"connect": "", "decide": ""}
    for name, check in (("connect", connector), ("decide", decider)):
        try:
            check(user, manager)
        except HTTPException as refusal:
            found[name] = str(refusal.detail)
    return found


Refusals = Annotated[dict[str, str], Depends(_refusals)]


@router.get("/integrations")
def integrations(
    request: Request, person: Reader, database: Database, selection: Selected, refusals: Refusals, conn_id: Chosen
) -> HTMLResponse:
    """A connection: the steps that connect it, its state, what it decides, and its runs."""
    view = connections.view(database, conn_id)
    known = connect_steps.learned(database, view.workspaces)
    under_way = {one.workspace: dag_runs.under_way(one.workspace, whole=True) for one in known[:MOST_RUNS]}
    runs = _watched(database, known, under_way)
    to_declare = first_steps(database, _declared_for(selection, view.workspaces))
    left = sum(not step.is_done for step in to_declare)
    syncs = connections.last_syncs(database, view.workspaces)
    return page(
        request,
        person,
        "integrations.html",
        view=view,
        which=_which(conn_id),
        others=[(other, _which(other)) for other in connection_ids() if other != conn_id],
        steps={step.key: step for step in connect_steps.steps(view, known, runs, left)},
        learned=known,
        runs=runs,
        is_over=all(run.is_over for run in runs),
        first_steps=to_declare,
        labels=LABELS,
        syncs=[{**sync, "under_way": under_way.get(sync["workspace"])} for sync in syncs],
        decided_by=connections.decided_by(database, view.workspaces),
        history=connections.history(database, conn_id),
        webhook_address=webhooks.address(),
        webhooks=webhooks.health(database, view.workspaces, conn_id),
        data_access=connections.DATA_ACCESS,
        callback=callback_address(),
        refusals=refusals,
        own_address=f"{_base_url()}/compliance/integrations",
    )


def _watched(
    database: Connection, known: list[Learned], under_way: Mapping[str, str | None]
) -> list[progress.Progress]:
    """How runs get on that are under way, or that ended where nothing of their workspace was ever published."""
    asked = [under_way.get(one.workspace) or (None if one.is_published else one.run_id) for one in known]
    found = [progress.of(database, run_id) for run_id in asked if run_id is not None]
    return [run for run in found if run is not None]


def _declared_for(selection: Selection, workspaces: tuple[str, ...]) -> str:
    """The workspace whose first steps count: the one that is looked at, where the connection reads it."""
    return selection.name if selection.name in workspaces else next(iter(workspaces), "")


# ------------------------------------------------------------------------------------------------- connect


@router.post("/integrations/connect")
def connect(request: Request, person: Connector, database: Database, conn_id: Chosen, _: Form) -> HTMLResponse:
    """Remember a state for this login and lead on to Bitbucket's authorization page."""
    settings = _to_consent(conn_id)
    # Better to fail now than when the person comes back.
    TokenEncryption.from_environment(CONFIGURATION)
    state = oauth_states.begin(database, person, settings.conn_id, callback_address())
    record(database, person, "connection.consent_asked", settings.conn_id, None, {"callback": callback_address()})
    target = oauth.authorization_url(settings, state, callback_address())
    # A link: after a form, the browser would hold every redirect of Bitbucket's sign-in against our own policy.
    return page(request, person, "integrations_leave.html", target=target, bitbucket=settings.oauth_url)


@router.get("/integrations/callback")
def callback(
    request: Request, person: Connector, database: Database, state: Text = "", code: Text = "", error: Text = ""
) -> Response:
    """Bitbucket sends the person back: take the state, exchange the code, start the first run."""
    consent = oauth_states.take(database, person, state)
    if error or not code:
        return _not_granted(request, person, database, consent.conn_id, error)
    settings = _to_consent(consent.conn_id)
    before = connections.standing(database, consent.conn_id)
    try:
        done = oauth.connect(settings, _vault(), code, connected_by=person.name, redirect_uri=consent.redirect_uri)
    except BitbucketError as refusal:
        record(database, person, "connection.refused", consent.conn_id, before, {"reason": one_line(refusal)})
        database.commit()
        raise
    scopes = None if done.scopes is None else sorted(done.scopes)
    after = {"status": "connected", "connected_by": person.name, "scopes": scopes}
    record(database, person, "connection.connected", consent.conn_id, before, after)
    database.commit()
    _register_webhooks(person, database, settings.workspaces)
    if not settings.workspaces:
        told = "Connected. No workspace is named: add its slug to workspaces of the Airflow connection, then Sync now."
        return redirect(request, _home(settings.conn_id), told)
    first = _started(person, database, settings.workspaces)
    told = "Connected. The first run has started." if first.refusal is None else f"Connected. But: {first.refusal}"
    return redirect(request, _home(settings.conn_id), told)


def _register_webhooks(person: Person, database: Connection, workspaces: tuple[str, ...]) -> None:
    """Ask for webhooks beside the first run, which does not wait for them; what fails shows on the page."""
    if not webhooks.address():
        return
    for workspace in workspaces[:MOST_RUNS]:
        with suppress(dag_runs.RunNotStarted):
            run_id = dag_runs.start_webhooks("ensure", workspace, person)
            record(database, person, "webhook.asked_for", workspace, None, {"action": "ensure", "run": run_id})


def _not_granted(request: Request, person: Person, database: Connection, conn_id: str, error: str) -> RedirectResponse:
    reason = "".join(c for c in error if c.isascii() and (c.isalnum() or c == "_"))[:60] or "neither code nor reason"
    record(database, person, "connection.refused", conn_id, None, {"reason": reason})
    if reason == "access_denied":
        return redirect(
            request, _home(conn_id), "Not connected: access was denied on Bitbucket's page. Connect again to allow it."
        )
    return redirect(
        request, _home(conn_id), f"Not connected: Bitbucket answered with {reason}. Check the OAuth consumer."
    )


@router.post("/integrations/check")
def check(request: Request, person: Connector, database: Database, conn_id: Chosen, _: Form) -> RedirectResponse:
    """Whether Bitbucket takes the connection, as Airflow holds it: the form has no fields that could lead elsewhere."""
    from bitbucket_cloud.hooks.bitbucket import BitbucketHook

    _worked, told = BitbucketHook(conn_id, CONFIGURATION).check()
    record(database, person, "connection.checked", conn_id, None, {"result": told})
    return redirect(request, _home(conn_id), told)


# ---------------------------------------------------------------------------------------------------- runs


@router.post("/integrations/sync")
def sync(request: Request, person: Decider, database: Database, conn_id: Chosen, form: Form) -> Response:
    """Start a run of one of the connection's workspaces; where one is under way, show that one."""
    workspace = str(form.get("workspace") or "")
    settings = connections.settings(conn_id)
    if workspace not in settings.workspaces:
        raise HTTPException(404, detail="the connection names no such workspace")
    running = dag_runs.under_way(workspace, whole=True)
    if running is not None:
        return _watch(request, [running], f"A run of {workspace} is under way already.")
    done = _started(person, database, (workspace,))
    if done.refusal is not None:
        return redirect(request, _home(conn_id), f"No run of {workspace} has started: {done.refusal}")
    return _watch(request, done.runs, f"A run of {workspace} has started.")


@dataclass(frozen=True)
class _Started:
    """Runs that are under way now, and why there are no more of them."""

    runs: list[str]
    refusal: dag_runs.RunNotStarted | None = None


def _started(person: Person, database: Connection, workspaces: tuple[str, ...]) -> _Started:
    """Start a run of each workspace that has none under way. What was done before a refusal stays done."""
    runs: list[str] = []
    for workspace in workspaces[:MOST_RUNS]:
        try:
            run_id = dag_runs.under_way(workspace, whole=True)
            if run_id is None:
                run_id = dag_runs.start(workspace, person)
                record(database, person, "run.started", workspace, None, {"run": run_id})
        except dag_runs.RunNotStarted as refusal:
            return _Started(runs, refusal)
        runs.append(run_id)
    return _Started(runs)


def _watch(request: Request, runs: list[str], message: str) -> RedirectResponse:
    return redirect(request, f"integrations/progress?{urlencode([('run', run_id) for run_id in runs])}", message)


@router.get("/integrations/progress")
def watch(
    request: Request,
    person: Reader,
    database: Database,
    _: Selected,
    run: Annotated[list[str] | None, Query(max_length=MOST_RUNS)] = None,
) -> HTMLResponse:
    """The steps of runs, until they are over."""
    asked = [run_id for run_id in dict.fromkeys(run or []) if len(run_id) <= 250 and "\0" not in run_id]
    found = [one for run_id in asked if (one := progress.of(database, run_id)) is not None]
    if not found:
        raise HTTPException(404, detail="there is no such run")
    is_over = all(one.is_over for one in found)
    return page(request, person, "integrations_progress.html", runs=found, is_over=is_over)


# ------------------------------------------------------------------------------------------------ webhooks


@router.post("/integrations/webhooks")
def change_webhooks(
    request: Request, person: Connector, database: Database, conn_id: Chosen, form: Form
) -> RedirectResponse:
    """Register or repair the webhooks of a workspace, or give them a new secret."""
    workspace, action = str(form.get("workspace") or ""), str(form.get("action") or "")
    if action not in webhooks.ACTIONS:
        raise HTTPException(404, detail="webhooks are registered (ensure) or given a new secret (rotate)")
    if workspace not in connections.settings(conn_id).workspaces:
        raise HTTPException(404, detail="the connection names no such workspace")
    if not webhooks.address():
        raise HTTPException(409, detail=f"webhooks are off: set {webhooks.URL_VARIABLE} first")
    run_id = dag_runs.start_webhooks(action, workspace, person)
    record(database, person, "webhook.asked_for", workspace, None, {"action": action, "run": run_id})
    told = f"The webhooks of {workspace} are being {webhooks.ACTIONS[action]}; look again in a minute."
    return redirect(request, _home(conn_id), told)


@router.get("/integrations/webhooks/gaps")
def gaps(
    request: Request,
    person: Reader,
    database: Database,
    selection: Selected,
    workspace: Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")] = "",
    number: PageNumber = 1,
) -> HTMLResponse:
    """What polling found and no webhook announced; of a workspace that has published nothing yet, too."""
    name = workspace or selection.name
    listing = Listing("integrations/webhooks/gaps", {"workspace": name}, number=number)
    found = rows(database, "webhooks/gaps", {"workspace": name, **listing.parameters})
    return page(request, person, "integrations_gaps.html", workspace=name, gaps=found, listing=listing.of(found))


# ---------------------------------------------------------------------------------------------- disconnect


@router.get("/integrations/disconnect")
def ask_disconnect(
    request: Request, person: Connector, database: Database, _: Selected, conn_id: Chosen
) -> HTMLResponse:
    """What disconnecting does and what it leaves; asks once more."""
    return page(
        request,
        person,
        "integrations_disconnect.html",
        view=connections.view(database, conn_id),
        which=_which(conn_id),
        webhooks=webhooks.registered(database, conn_id),
    )


@router.post("/integrations/disconnect")
def disconnect(
    request: Request, person: Connector, database: Database, conn_id: Chosen, form: Form
) -> RedirectResponse:
    """Delete our webhooks, forget the tokens; what was read stays, unless a purge is asked for on a page of its own."""
    if form.get("confirmed") != "yes":
        return redirect(request, _home(conn_id, "integrations/disconnect"), "Tick the box to disconnect.")
    before = connections.standing(database, conn_id)
    deleted, left = _remove_webhooks(person, database, conn_id) if before else (0, ())
    if not _vault().disconnect(conn_id, person.name):
        return redirect(request, _home(conn_id), "There were no tokens: the connection was not connected.")
    record(database, person, "connection.disconnected", conn_id, before, {"status": "not_connected"})
    told = (
        "Disconnected: the tokens are deleted here. Bitbucket keeps the grant until it is revoked there: Personal "
        "Bitbucket settings → App authorizations → Revoke, beside the name of the OAuth consumer."
    )
    if deleted:
        told = f"{deleted} webhook{'s' if deleted > 1 else ''} deleted at Bitbucket. {told}"
    if left:
        told = f"{told} But {'; '.join(left[:3])}{f'; and {len(left) - 3} more' if len(left) > 3 else ''}."
    return redirect(request, "integrations/purge" if form.get("data") == "purge" else _home(conn_id), told)


def _remove_webhooks(person: Person, database: Connection, conn_id: str) -> tuple[int, tuple[str, ...]]:
    """While there are tokens to do it with: how many went, and which are left; the secrets go in any case."""
    known = webhooks.registered(database, conn_id)
    workspaces = webhooks.recorded(database, conn_id)
    if not workspaces:
        return 0, webhooks.forget_secret(conn_id)
    with suppress(connections.ConnectionUnusable):
        workspaces = tuple(dict.fromkeys([*connections.settings(conn_id).workspaces, *workspaces]))
    deleted, left = webhooks.remove(conn_id, workspaces)
    left = (*left, *webhooks.forget_secret(conn_id))
    after = {"deleted": deleted, "left": list(left)}
    record(database, person, "webhook.removed", conn_id, {"registered": known}, after)
    return deleted, left


# --------------------------------------------------------------------------------------------------- purge


@router.get("/integrations/purge")
def ask_purge(request: Request, person: Connector, database: Database, _: Selected) -> HTMLResponse:
    """What a purge deletes of each workspace, counted, and those that wait for another person's decision."""
    is_connected = all(connections.standing(database, conn_id) is not None for conn_id in connection_ids())
    found = {} if is_connected else purge.workspaces(database)
    return page(
        request,
        person,
        "integrations_purge.html",
        is_connected=is_connected,
        workspaces=found,
        waiting=purges.waiting_for_a_decision(database),
    )


@router.post("/integrations/purge")
def purge_workspace(request: Request, person: Connector, database: Database, form: Form) -> RedirectResponse:
    """Export the history of a workspace, and ask another person to let everything that was read of it be deleted."""
    workspace = one(form, "workspace")
    _may_be_purged(database, workspace)
    if workspace not in purge.workspaces(database):
        raise HTTPException(404, detail="there is no data of such a workspace")
    if one(form, "typed").strip() != workspace:
        return redirect(request, "integrations/purge", f"Nothing is asked for: type {workspace} to confirm.")
    asked = purges.ask(database, workspace, requested_by=person.id, target=os.environ.get(purges.TARGET, ""))
    told = f"Nothing is deleted yet: somebody else has to accept it. Exported first: {asked.manifest}"
    return redirect(request, "integrations/purge", told)


@router.post("/integrations/purge/{purge_id}/decision")
def decide_on_purge(
    request: Request, person: Connector, database: Database, purge_id: UUID, form: Form
) -> RedirectResponse:
    """Accept a purge, which deletes the data at once, as somebody other than who asked; or reject or withdraw it."""
    decision = one(form, "decision")
    asked = next((found for found in purges.waiting_for_a_decision(database) if found.purge_id == str(purge_id)), None)
    if asked is not None and decision == "accept":
        _may_be_purged(database, asked.workspace)
    decided, deleted = purges.decide(database, str(purge_id), decision, decided_by=person.id)
    name = decided.workspace
    told = f"Deleted {deleted} rows of {name}." if decision == "accept" else f"The data of {name} is not deleted."
    return redirect(request, "integrations/purge", told)


def _may_be_purged(database: Connection, workspace: str) -> None:
    if any(_may_bring_back(database, conn_id, workspace) for conn_id in connection_ids()):
        raise HTTPException(409, detail="disconnect first: the next run would bring the data back")
    if dag_runs.under_way(workspace) is not None:
        raise HTTPException(409, detail=f"a run of {workspace} is under way: wait until it is over")


def _may_bring_back(database: Connection, conn_id: str, workspace: str) -> bool:
    """Whether the next run could read a workspace with a connection: with the only one, or one that may name it."""
    if connections.standing(database, conn_id) is None:
        return False
    try:
        named = [name.lower() for name in connections.settings(conn_id).workspaces]
    except connections.ConnectionUnusable:
        return True
    return len(connection_ids()) == 1 or workspace in named or any(name.startswith("{") for name in named)


# ------------------------------------------------------------------------------------------------- helpers


def callback_address() -> str:
    """Where Bitbucket sends people back to: fixed by Airflow's own address, whatever a request says."""
    return f"{_base_url()}{CALLBACK}"


def _base_url() -> str:
    base = conf.get("api", "base_url", fallback="") or "http://localhost:8080"
    return base.rstrip("/")


def _to_consent(conn_id: str) -> Settings:
    settings = connections.settings(conn_id)
    if settings.auth != AUTHORIZATION_CODE:
        raise ConsentRefused(
            f"Airflow connection {conn_id} signs in by itself ({settings.auth}) and needs no consent; set extra auth "
            f"to {AUTHORIZATION_CODE} to connect it here"
        )
    return settings


def _vault() -> TokenVault:
    return TokenVault(BitbucketDatabase.from_airflow(CONFIGURATION))
