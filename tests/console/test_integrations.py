"""Integrations: what is shown before and after a consent, the way to Bitbucket and back, runs, and disconnecting."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from airflow.api_fastapi.auth.managers.models.resource_details import ConnectionDetails
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from httpx import Response

from compliance_console_app.permissions import Person
from compliance_console_app.services import dag_runs
from sandbox.process import SandboxServer
from tests.console.conftest import Console, OpenConsole
from tests.harness import DEMO, Pipeline, bitbucket_connection
from tests.vaulting import (
    KEY,
    KEY_VARIABLE,
    OTHER_KEY,
    WEBHOOK_KEY_VARIABLE,
    auth_for,
    events,
    rows,
    settings_for,
    status,
)

BASE = "https://airflow.test/af"
CALLBACK = f"{BASE}/compliance/integrations/callback"
CONNECTION = "AIRFLOW_CONN_BITBUCKET_DEFAULT"


class Runs:
    """Airflow's runs, as the console asks for them."""

    def __init__(self) -> None:
        self.started: list[tuple[str, str]] = []
        self.webhooks: list[tuple[str, str]] = []
        self.active: dict[str, str] = {}
        self.paused = False

    def start(self, workspace: str, person: Person) -> str:
        if self.paused:
            raise dag_runs.RunNotStarted("the DAG bitbucket_compliance is paused")
        self.started.append((workspace, person.name))
        self.active[workspace] = f"manual__{workspace}+00:00"
        return self.active[workspace]

    def start_webhooks(self, action: str, workspace: str, person: Person) -> str:
        if self.paused:
            raise dag_runs.RunNotStarted("the DAG bitbucket_webhooks is paused")
        self.webhooks.append((action, workspace))
        return f"manual__{action}"

    def under_way(self, workspace: str, *, whole: bool = False) -> str | None:
        return self.active.get(workspace)

    def state(self, run_id: str) -> str | None:
        return "running" if run_id in self.active.values() else None


@pytest.fixture(autouse=True)
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", BASE)
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    monkeypatch.setenv(WEBHOOK_KEY_VARIABLE, OTHER_KEY)
    fake = Runs()
    for name in ("start", "start_webhooks", "under_way", "state"):
        monkeypatch.setattr(dag_runs, name, getattr(fake, name))
    return fake


@pytest.fixture
def connection(sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set the Airflow connection; by default one that needs a consent."""

    def set_to(auth: str = "authorization_code", **extra: object) -> None:
        given = bitbucket_connection(sandbox.url, "admin", auth=auth, **{"workspaces": [DEMO], **extra})
        monkeypatch.setenv(CONNECTION, json.dumps(given))

    set_to()
    return set_to


@pytest.fixture
def ann(open_console: OpenConsole, connection: Callable[..., None]) -> Console:
    """A browser whose login may connect."""
    return open_console("op", "ann")


def leave(console: Console) -> str:
    """Press Connect; the address that the page leads on to."""
    answer = console.submit("/integrations/connect", {}, on="/integrations")
    assert answer.status_code == 200, answer.text
    found = re.search(r'<a class="button" href="([^"]+)"', answer.text)
    assert found
    return unescape(found[1])


def come_back(console: Console, target: str) -> Response:
    """What Bitbucket's page answers, brought back to the console by the browser."""
    back = urlsplit(requests.get(target, allow_redirects=False, timeout=10).headers["Location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == CALLBACK
    return console.get(f"/integrations/callback?{back.query}", follow_redirects=False)


def connect(console: Console) -> Response:
    return come_back(console, leave(console))


def audit(dsn: str) -> list[tuple[str, str, str]]:
    found = rows(dsn, "SELECT * FROM integration.console_audit ORDER BY audit_id", role="compliance_console")
    return [(row["actor"], row["action"], row["subject"]) for row in found]


# --- before ----------------------------------------------------------------------------------------------


def test_before_connecting_the_page_says_what_is_read_what_never_is_and_why_each_scope(ann: Console) -> None:
    text = ann.get("/integrations").text
    assert "not connected" in text and "Source code, commit history, diffs, downloads" in text
    assert "by evidence that you upload, only" in text
    for scope in ("account", "repository", "pullrequest", "webhook", "pipeline", "repository:admin"):
        assert f"<code>{scope}</code>" in text
    assert f'<code id="callback">{CALLBACK}</code> <button type="button" class="second small" data-copy=' in text
    assert '<code id="five-scopes">account repository pullrequest webhook pipeline</code>' in text
    assert "Code repo should be classified" in text


def test_a_connection_that_is_not_there_or_wrong_is_told_on_the_page(
    open_console: OpenConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = open_console("op")
    page = console.get("/integrations")
    assert page.status_code == 200 and "there is no Airflow connection bitbucket_default" in page.text
    monkeypatch.setenv(CONNECTION, json.dumps({"conn_type": "bitbucket", "login": "a-key"}))
    page = console.get("/integrations")
    assert page.status_code == 200 and "enter the OAuth consumer&#39;s secret" in page.text


def test_a_connection_that_signs_in_by_itself_is_offered_no_consent(
    ann: Console, connection: Callable[..., None]
) -> None:
    token = ann.token("/integrations")
    connection("client_credentials")
    page = ann.get("/integrations").text
    assert "signs in by itself" in page and "integrations/connect" not in page
    answer = ann.post("/integrations/connect", data={"csrf_token": token})
    assert answer.status_code == 409 and "needs no consent" in answer.text


def test_inside_airflows_frame_the_page_names_the_address_to_open_instead(ann: Console) -> None:
    framed = ann.get("/integrations", headers={"sec-fetch-dest": "iframe"}).text
    assert "integrations/connect" not in framed
    assert f"{BASE}/compliance/integrations</code>" in framed


def steps(page: Response) -> str:
    """Of each step the first letter of its state: done, now, later; large where it is open."""
    found = re.findall(r'<li class="stage (\w+)">\n<details id="\w+"( open)?>', page.text)
    return "".join(state[0].upper() if is_open else state[0] for state, is_open in found)


def test_the_steps_lead_from_the_consumer_to_the_checklist_and_back_to_the_grant(
    ann: Console,
    open_console: OpenConsole,
    sandbox: SandboxServer,
    pipeline: Pipeline,
    connection: Callable[..., None],
    runs: Runs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever comes back finds the step that they are on; what is done is folded up."""
    monkeypatch.delenv(CONNECTION)
    missing = ann.get("/integrations")
    assert steps(missing) == "Nllll" and "there is no Airflow connection bitbucket_default" in missing.text
    assert "AIRFLOW_CONN_BITBUCKET_DEFAULT" not in missing.text and 'href="../connections"' in missing.text
    connection(workspaces=[])
    assert steps(nameless := ann.get("/integrations")) == "Nllll" and "names no workspace yet" in nameless.text
    connection()
    assert steps(ann.get("/integrations")) == "dNlll"
    connect(ann)
    waiting = ann.get("/integrations")
    assert steps(waiting) == "ddNLl" and "queued</span>" in waiting.text and 'data-over="no"' in waiting.text
    assert "progress.js" in waiting.text
    pipeline.connect_to(sandbox, "admin")
    runs.active[DEMO] = run_id = pipeline.extract()
    connection()
    reading = ann.get("/integrations")
    assert steps(reading) == "dddNl"
    counted = dict(re.findall(r"<strong>([\d, of]+)</strong> ([a-z ]+)</li>", reading.text))
    listed = pipeline.query("SELECT count(*) AS n FROM staging.repositories")[0]["n"]
    assert counted[f"{listed}"] == "repositories listed" and counted[f"{listed} of {listed}"] == "repositories read"
    assert {*counted.values()} >= {"members listed", "requests"} and 'role="timer"' in reading.text
    told = pipeline.query("SELECT identity_role, plan FROM compliance.runs WHERE run_id = %s", (run_id,))[0]
    assert f'<td data-label="Role">{told["identity_role"]}</td>' in reading.text
    assert f">about {told['plan']['requests']}</td>" in reading.text
    runs.active.clear()
    pipeline.release()
    failed = ann.get("/integrations")
    assert steps(failed) == "dddNl" and "The run ended without results." in failed.text
    assert "remove the cause" in failed.text and "Start it again" in failed.text
    pipeline.run(sandbox)
    connection()
    assert steps(published := ann.get("/integrations")) == "ddddN"
    assert "Upload a roster" in published.text and "Start it again" not in published.text
    assert ">Upload</a>" in published.text and ">Upload</a>" in ann.get("/").text
    for path in ("/integrations", "/"):
        seen = open_console("viewer").get(path).text
        assert "Upload a roster" in seen and ">Upload</a>" not in seen, path
    ann.submit("/integrations/disconnect", {"confirmed": "yes"})
    assert steps(ann.get("/integrations")) == "dNldl"


# --- the way there and back ------------------------------------------------------------------------------


def test_from_connect_to_tokens_in_the_vault_and_the_first_run(
    ann: Console, sandbox: SandboxServer, dsn: str, runs: Runs
) -> None:
    target = leave(ann)
    query = parse_qs(urlsplit(target).query)
    assert target.startswith(f"{sandbox.url}/site/oauth2/authorize?")
    assert query["redirect_uri"] == [CALLBACK] and len(query["state"][0]) >= 40
    answer = come_back(ann, target)
    assert answer.status_code == 303
    assert answer.headers["location"] == "../integrations"
    assert runs.started == [(DEMO, "ann")]
    assert runs.webhooks == [], "no address is set"
    assert auth_for(settings_for(sandbox.url), dsn).token() in sandbox.state.tokens
    page = ann.get("/integrations").text
    assert "connected</span> by ann" in page and "granted</span>" in page
    assert audit(dsn) == [
        ("airflow:ann", "connection.consent_asked", "bitbucket_default"),
        ("airflow:ann", "connection.connected", "bitbucket_default"),
        ("airflow:ann", "run.started", DEMO),
    ]


def test_connecting_asks_for_webhooks_beside_the_first_run_where_an_address_is_set(
    ann: Console, dsn: str, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPLIANCE_WEBHOOK_URL", "https://hooks.example.com/webhooks/bitbucket")
    connect(ann)
    assert (runs.webhooks, runs.started) == ([("ensure", DEMO)], [(DEMO, "ann")])
    assert ("airflow:ann", "webhook.asked_for", DEMO) in audit(dsn)


def test_the_way_to_bitbucket_is_no_redirect_of_a_form(ann: Console, sandbox: SandboxServer) -> None:
    answer = ann.submit("/integrations/connect", {}, on="/integrations")
    assert f'content="0;url={sandbox.url}/site/oauth2/authorize?' in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_who_refuses_on_bitbuckets_page_is_told_so_and_nothing_is_kept(
    ann: Console, sandbox: SandboxServer, dsn: str, runs: Runs
) -> None:
    sandbox.state.deny_authorization = True
    answer = connect(ann)
    assert answer.status_code == 303
    assert "access was denied on Bitbucket&#39;s page" in ann.get("/integrations").text
    assert events(dsn) == [] and runs.started == []
    assert audit(dsn)[-1] == ("airflow:ann", "connection.refused", "bitbucket_default")


def test_a_state_nobody_asked_for_is_refused(ann: Console, sandbox: SandboxServer, dsn: str) -> None:
    code = sandbox.state.issue_code("demo-admin-key", CALLBACK)
    for state in ("", "made-up"):
        answer = ann.get(f"/integrations/callback?{urlencode({'code': code, 'state': state})}")
        assert answer.status_code == 409 and "not asked for from here" in answer.text
    assert events(dsn) == [] and code in sandbox.state.codes


def test_a_state_works_once_whatever_came_of_it(ann: Console, sandbox: SandboxServer, dsn: str) -> None:
    target = leave(ann)
    state = parse_qs(urlsplit(target).query)["state"][0]
    wrong = ann.get(f"/integrations/callback?{urlencode({'code': 'made-up', 'state': state})}")
    assert wrong.status_code == 409 and "refused the code" in wrong.text
    again = come_back(ann, target)
    assert again.status_code == 409 and "used already" in again.text
    assert events(dsn) == [] and audit(dsn)[-1][1] == "connection.refused"


def test_a_state_of_another_login_is_refused_and_stays_good_for_its_own(
    ann: Console, open_console: OpenConsole, dsn: str
) -> None:
    target = leave(ann)
    stranger = come_back(open_console("op", "bob"), target)
    assert stranger.status_code == 409 and "another login" in stranger.text
    assert events(dsn) == []
    assert come_back(ann, target).status_code == 303


def test_a_state_is_good_for_ten_minutes(ann: Console, dsn: str) -> None:
    target = leave(ann)
    past = "UPDATE integration.oauth_states SET created_at = created_at - make_interval(secs => %s)"
    rows(dsn, past, [595], role="compliance_owner")
    rows(dsn, past, [6], role="compliance_owner")
    answer = come_back(ann, target)
    assert answer.status_code == 409 and "longer than 10 minutes" in answer.text
    assert events(dsn) == []


def test_only_the_hash_of_a_state_is_kept(ann: Console, dsn: str) -> None:
    state = parse_qs(urlsplit(leave(ann)).query)["state"][0]
    kept = rows(dsn, "SELECT * FROM integration.oauth_states", role="compliance_console")
    assert len(kept) == 1 and state not in str(kept)


def test_without_a_key_of_the_vault_nobody_is_sent_to_bitbucket(
    ann: Console, monkeypatch: pytest.MonkeyPatch, dsn: str
) -> None:
    token = ann.token("/integrations")
    monkeypatch.delenv(KEY_VARIABLE)
    answer = ann.post("/integrations/connect", data={"csrf_token": token})
    assert answer.status_code == 409 and KEY_VARIABLE in answer.text
    assert audit(dsn) == []


def test_where_airflow_starts_no_run_the_connection_is_made_all_the_same(ann: Console, runs: Runs, dsn: str) -> None:
    runs.paused = True
    assert connect(ann).headers["location"] == "../integrations"
    assert "Connected. But: the DAG bitbucket_compliance is paused" in ann.get("/integrations").text
    assert status(dsn) == ("connected", None)


def test_no_page_shows_a_secret(ann: Console, sandbox: SandboxServer) -> None:
    pages = [ann.get("/integrations").text, connect(ann).text]
    pages += [ann.get(path).text for path in ("/integrations", "/integrations/disconnect", "/audit")]
    secrets = {*sandbox.state.tokens, *sandbox.state.refresh_tokens, "demo-admin-secret", KEY}
    assert len(secrets) > 3
    assert [secret for secret in secrets if any(secret in page for page in pages)] == []


# --- state of the connection -----------------------------------------------------------------------------


def test_a_lost_grant_shows_as_needs_reconnect_with_the_reason(ann: Console, sandbox: SandboxServer, dsn: str) -> None:
    connect(ann)
    sandbox.state.refuse_refresh = True
    auth = auth_for(settings_for(sandbox.url), dsn)
    with pytest.raises(Exception, match="no longer connected"):
        auth.renew(auth.token())
    page = ann.get("/integrations").text
    assert "Needs reconnect:" in page and "Bitbucket refused its refresh token" in page
    assert "Reconnect to Bitbucket" in page


def test_scopes_requests_and_last_sync_come_from_the_runs(
    ann: Console, sandbox: SandboxServer, pipeline: Pipeline, connection: Callable[..., None]
) -> None:
    run_id = pipeline.run(sandbox, grant="five")
    connection("client_credentials", requests_per_hour=1000)
    page = ann.get("/integrations").text
    assert "configuration: scope repository:admin" in page
    assert re.search(r"\d+ of 1000", page)
    told = pipeline.query("SELECT summary FROM compliance.decided_by WHERE workspace = %s", (DEMO,))
    assert len(told) > 5 and all(f">{row['summary']}</" in page for row in told)
    assert "just now" in page or "minute" in page
    watched = ann.get(f"/integrations/progress?{urlencode({'run': run_id})}").text
    assert 'data-over="yes"' in watched and "published</span>" in watched
    assert "under way" not in watched and "waiting</span>" not in watched


# --- runs ------------------------------------------------------------------------------------------------


def test_sync_now_starts_a_run_and_says_when_one_is_under_way(ann: Console, runs: Runs, dsn: str) -> None:
    for _ in range(2):
        token = ann.token("/integrations")
        answer = ann.post("/integrations/sync", data={"csrf_token": token, "workspace": DEMO}, follow_redirects=False)
        assert answer.status_code == 303
    assert runs.started == [(DEMO, "ann")]
    page = ann.get("/integrations/progress?run=manual__demo-workspace%2B00:00").text
    assert "is under way already" in page and "queued" in page and 'data-over="no"' in page
    assert [entry[1] for entry in audit(dsn)] == ["run.started"]


def test_a_workspace_that_the_connection_does_not_name_is_not_synced(ann: Console, runs: Runs) -> None:
    assert ann.submit("/integrations/sync", {"workspace": "other"}, on="/integrations").status_code == 404
    assert runs.started == []


def test_progress_shows_which_steps_are_done_and_why_a_run_ended(
    ann: Console, sandbox: SandboxServer, pipeline: Pipeline
) -> None:
    pipeline.connect_to(sandbox, "admin")
    run_id = pipeline.extract()
    page = ann.get(f"/integrations/progress?run={run_id}").text
    steps = re.findall(r'<li><span class="status \w+">([\w ]+)</span> ([^<,]+)', page)
    assert [state for state, _ in steps] == ["done"] * 5 + ["under way"] + ["waiting"] * 3
    assert steps[5][1] == "Check the data"
    pipeline.release()
    page = ann.get(f"/integrations/progress?run={run_id}").text
    assert "failed</span>" in page and "stopped</span> Check the data" in page and 'data-over="yes"' in page


@pytest.mark.parametrize("query", ["", "?run=nobody", "?run=%00", "?run=" + "x" * 300])
def test_a_run_that_is_not_there_has_no_progress(ann: Console, query: str) -> None:
    assert ann.get(f"/integrations/progress{query}").status_code == 404


# --- disconnect ------------------------------------------------------------------------------------------


def test_disconnect_deletes_the_tokens_and_tells_how_to_revoke_the_grant(ann: Console, dsn: str) -> None:
    connect(ann)
    assert "App authorizations" in ann.get("/integrations/disconnect").text
    unsure = ann.submit("/integrations/disconnect", {})
    assert unsure.headers["location"] == "../integrations/disconnect" and status(dsn) == ("connected", None)
    answer = ann.submit("/integrations/disconnect", {"confirmed": "yes"})
    assert answer.status_code == 303
    assert rows(dsn, "SELECT * FROM integration.token_vault") == []
    assert events(dsn)[-1] == "disconnected"
    page = ann.get("/integrations").text
    assert "Disconnected: the tokens are deleted here" in page and "not connected" in page
    assert audit(dsn)[-1] == ("airflow:ann", "connection.disconnected", "bitbucket_default")


def test_disconnecting_what_is_not_connected_says_so(ann: Console, dsn: str) -> None:
    connect(ann)
    token = ann.token("/integrations/disconnect")
    for _ in range(2):
        ann.post("/integrations/disconnect", data={"csrf_token": token, "confirmed": "yes"}, follow_redirects=False)
    assert "There were no tokens" in ann.get("/integrations").text
    assert [entry[1] for entry in audit(dsn)].count("connection.disconnected") == 1


# --- permissions -----------------------------------------------------------------------------------------


def test_who_may_not_connect_sees_the_reason_in_the_place_of_the_buttons(
    ann: Console, open_console: OpenConsole
) -> None:
    connect(ann)
    for role in ("viewer", "user"):
        console = open_console(role)
        page = console.get("/integrations").text
        assert "which connecting needs" in page and "integrations/connect" not in page
        for path in ("/integrations/callback?state=a&code=b", "/integrations/disconnect"):
            assert console.get(path).status_code == 403
        for path in ("/integrations/connect", "/integrations/disconnect"):
            assert console.post(path).status_code == 403
    assert "integrations/sync" not in open_console("viewer").get("/integrations").text


# --- purge -----------------------------------------------------------------------------------------------


def left(dsn: str) -> dict[str, int]:
    """Rows in some tables of each schema."""
    tables = (
        "landing.objects",
        "staging.repositories",
        "judged.verdicts",
        "compliance.results",
        "compliance.result_history",
        "integration.runs",
        "registry.classification",
        "registry.policy_versions",
        "integration.console_audit",
    )
    return {
        table: rows(dsn, f"SELECT count(*) AS n FROM {table}", role="compliance_owner")[0]["n"]  # noqa: S608
        for table in tables
    }


def test_a_purge_is_asked_for_by_one_accepted_by_another_and_leaves_what_people_declared(
    ann: Console,
    sandbox: SandboxServer,
    pipeline: Pipeline,
    connection: Callable[..., None],
    dsn: str,
    runs: Runs,
    open_console: OpenConsole,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipeline.take_demo()
    pipeline.run(sandbox)
    connection()
    connect(ann)
    runs.active.clear()
    assert "Disconnect first" in ann.get("/integrations/purge").text
    answer = ann.submit("/integrations/disconnect", {"confirmed": "yes", "data": "purge"})
    assert answer.headers["location"] == "../integrations/purge"
    before = left(dsn)
    page = ann.get("/integrations/purge").text
    assert all(f'<th scope="row">{schema}</th>' in page for schema in ("landing", "staging", "judged", "compliance"))
    ann.submit("/integrations/purge", {"workspace": DEMO, "typed": "demo"})
    assert left(dsn) == before
    monkeypatch.setenv("COMPLIANCE_EXPORT_TARGET", str(tmp_path))
    ann.submit("/integrations/purge", {"workspace": DEMO, "typed": DEMO}, on="/integrations/purge")
    asked = left(dsn)
    assert asked == before | {"integration.console_audit": before["integration.console_audit"] + 1}
    bob = open_console("op", "bob")
    purge_id = rows(dsn, "SELECT purge_id FROM registry.purges", role="compliance_owner")[0]["purge_id"]
    form = {"decision": "accept"}
    answer = bob.submit(f"/integrations/purge/{purge_id}/decision", form, on="/integrations/purge")
    assert answer.status_code == 303, answer.text
    after = left(dsn)
    for table in ("registry.classification", "registry.policy_versions"):
        assert after[table] == before[table] > 0
    assert audit(dsn)[-3:] == [
        ("airflow:ann", "purge.asked_for", DEMO),
        ("airflow:bob", "purge.accepted", DEMO),
        ("airflow:bob", "data.purged", DEMO),
    ]
    assert {n for table, n in after.items() if not table.startswith(("registry", "integration.console"))} == {0}


def test_nothing_is_purged_while_a_run_is_at_work_or_the_connection_is_connected(
    ann: Console,
    sandbox: SandboxServer,
    pipeline: Pipeline,
    connection: Callable[..., None],
    dsn: str,
    runs: Runs,
    open_console: OpenConsole,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipeline.connect_to(sandbox, "admin")
    pipeline.extract()
    connection()
    token = ann.token("/integrations/purge")
    form = {"csrf_token": token, "workspace": DEMO, "typed": DEMO}
    before = left(dsn)
    monkeypatch.setenv("COMPLIANCE_EXPORT_TARGET", str(tmp_path))
    ann.post("/integrations/purge", data=form)
    bob = open_console("op", "bob")
    purge_id = rows(dsn, "SELECT purge_id FROM registry.purges", role="compliance_owner")[0]["purge_id"]
    accept = {"decision": "accept"}
    answer = bob.submit(f"/integrations/purge/{purge_id}/decision", accept, on="/integrations/purge")
    assert answer.status_code == 503 and "is at work" in answer.text
    pipeline.release()
    connect(ann)
    answer = ann.post("/integrations/purge", data=form)
    assert answer.status_code == 409 and "disconnect first" in answer.text
    assert left(dsn)["landing.objects"] == before["landing.objects"] > 0


# --- several connections ---------------------------------------------------------------------------------


@pytest.fixture
def second(ann: Console, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Console:
    """A browser beside two connections, of which the second one reads another workspace."""
    monkeypatch.setenv("COMPLIANCE_BITBUCKET_CONNECTIONS", "bitbucket_default,bitbucket_beta")
    given = bitbucket_connection(sandbox.url, "admin", auth="authorization_code", workspaces=["beta"])
    monkeypatch.setenv("AIRFLOW_CONN_BITBUCKET_BETA", json.dumps(given))
    return ann


BETA = "/integrations?connection=bitbucket_beta"


def test_each_connection_has_a_page_of_its_own_and_leads_to_the_others(second: Console) -> None:
    first = second.get("/integrations").text
    assert f"<dt>Workspaces</dt><dd>{DEMO}</dd>" in first and "integrations?connection=bitbucket_beta" in first
    other = second.get(BETA).text
    assert "<dt>Workspaces</dt><dd>beta</dd>" in other and "<code>bitbucket_beta</code>, authorization" in other
    assert second.get("/integrations?connection=compliance_postgres").status_code == 404


def test_a_person_connects_and_disconnects_the_second_connection_and_leaves_the_first_alone(
    second: Console, runs: Runs, dsn: str
) -> None:
    left = second.submit("/integrations/connect?connection=bitbucket_beta", {}, on=BETA)
    found = re.search(r'<a class="button" href="([^"]+)"', left.text)
    assert found, left.text
    assert come_back(second, unescape(found[1])).status_code == 303
    assert runs.started == [("beta", "ann")], "the first run is one of the connection that was connected"
    kept = [row["conn_id"] for row in rows(dsn, "SELECT conn_id FROM integration.connections")]
    assert kept == ["bitbucket_beta"]
    assert "not connected" in second.get("/integrations").text

    path = "/integrations/disconnect?connection=bitbucket_beta"
    done = second.submit(path, {"confirmed": "yes", "data": "keep"})
    assert done.status_code == 303 and done.headers["location"].endswith("integrations?connection=bitbucket_beta")
    assert rows(dsn, "SELECT conn_id FROM integration.connections") == []


def test_a_workspace_is_synced_by_its_own_connection_alone(second: Console, runs: Runs) -> None:
    wrong = second.submit("/integrations/sync", {"workspace": "beta"}, on="/integrations")
    assert wrong.status_code == 404 and runs.started == []
    second.submit("/integrations/sync?connection=bitbucket_beta", {"workspace": "beta"}, on=BETA)
    assert runs.started == [("beta", "ann")]


def test_whoever_may_not_edit_one_of_the_connections_connects_none(
    second: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    def may_edit(_: object, *, details: ConnectionDetails, **others: object) -> bool:
        return details.conn_id != "bitbucket_beta"

    token = second.token("/integrations")
    monkeypatch.setattr(SimpleAuthManager, "is_authorized_connection", may_edit)
    assert "your login may not edit the connection bitbucket_beta" in second.get("/integrations").text
    assert second.post("/integrations/connect", data={"csrf_token": token}).status_code == 403
