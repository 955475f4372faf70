"""Webhooks on the console: whether events arrive, buttons to mend them, and that disconnecting deletes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from bitbucket_cloud.database import Database as BitbucketDatabase
from bitbucket_cloud.errors import Unreachable
from bitbucket_cloud.webhooks.removal import Removed
from bitbucket_cloud.webhooks.secrets.webhook_secrets import WebhookSecrets
from bitbucket_compliance.core.bitbucket import CONFIGURATION
from compliance_console_app.permissions import Person
from compliance_console_app.services import dag_runs
from sandbox.process import SandboxServer
from tests.conftest import Database
from tests.console.conftest import Console, OpenConsole
from tests.console.world import Published, message
from tests.harness import bitbucket_connection
from tests.vaulting import KEY, KEY_VARIABLE, OTHER_KEY, WEBHOOK_KEY_VARIABLE, rows

BASE = "https://airflow.test/af"
ADDRESS = "https://hooks.example.com/webhooks/bitbucket"
ACME = "acme"
HOOK = "{11111111-2222-4333-8444-555555555555}"

Started = list[tuple[str, str]]


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch, sandbox: SandboxServer) -> Started:
    """Runs of the DAG of webhooks that were asked for; webhooks are on."""
    asked: Started = []

    def start(action: str, workspace: str, person: Person) -> str:
        asked.append((action, workspace))
        return "run"

    monkeypatch.setattr(dag_runs, "start_webhooks", start)
    monkeypatch.setattr(dag_runs, "under_way", lambda workspace, **_: None)
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    monkeypatch.setenv(WEBHOOK_KEY_VARIABLE, OTHER_KEY)
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", BASE)
    monkeypatch.setenv("COMPLIANCE_WEBHOOK_URL", ADDRESS)
    given = bitbucket_connection(sandbox.url, "admin", workspaces=[ACME, "beta"])
    monkeypatch.setenv("AIRFLOW_CONN_BITBUCKET_DEFAULT", json.dumps(given))
    return asked


def put(database: Database, state: str = "active", **more: Any) -> None:
    values = {
        "conn_id": "bitbucket_default",
        "workspace": ACME,
        "hook_id": HOOK,
        "url": ADDRESS,
        "state": state,
        "registered_at": "2026-01-01",
        **more,
    }
    names = ", ".join(values)
    database.execute(
        f"INSERT INTO integration.webhooks ({names}) VALUES ({', '.join(['%s'] * len(values))})",  # noqa: S608
        list(values.values()),
    )


def event(database: Database, age: str, *, handled: bool) -> None:
    database.execute(
        "INSERT INTO integration.webhook_events"
        " (received_at, conn_id, workspace, hook_id, event_key, request_id, body_hash, handled_at)"
        " VALUES (now() - %s::interval, 'bitbucket_default', 'acme', %s, 'repo:push', gen_random_uuid()::text,"
        " gen_random_uuid()::text, CASE WHEN %s THEN now() END)",
        (age, HOOK, handled),
    )


def gap(database: Database, number: int) -> None:
    database.execute(
        "INSERT INTO integration.webhook_gaps (workspace, kind, repository_id, object_key, changed_at, run_id)"
        " VALUES ('acme', 'pull_request', '{r}', %s, now() - interval '1 hour', 'run')",
        (str(number),),
    )


def shown(console: Console) -> str:
    answer = console.get("/integrations")
    assert answer.status_code == 200
    return answer.text.partition('<h2 id="webhooks">')[2].partition("</section>")[0]


def test_without_an_address_the_page_says_that_webhooks_are_off_and_how_to_switch_them_on(
    open_console: OpenConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COMPLIANCE_WEBHOOK_URL")
    text = shown(open_console("op"))
    assert "Off: Bitbucket announces nothing between two runs" in text
    assert "COMPLIANCE_WEBHOOK_URL" in text
    assert "<form" not in text


def test_a_workspace_without_a_webhook_is_offered_one(open_console: OpenConsole) -> None:
    text = shown(open_console("op"))
    assert text.count("not registered") == 2
    assert text.count("Register or repair<") == 2
    assert "Rotate secret" not in text


def test_a_webhook_that_delivers_is_shown_with_its_events(open_console: OpenConsole, database: Database) -> None:
    put(database)
    event(database, "2 hours", handled=True)
    event(database, "1 minute", handled=False)
    text = shown(open_console("op"))
    assert '<span class="status passing">active</span>' in text
    assert "1 minute ago" in text
    assert 'class="number">2</td>' in text
    assert 'class="number">1, since' in text


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("disabled", "switched off at Bitbucket"),
        ("missing", "missing"),
        ("failed", "could not be asked for"),
        ("not_allowed", "not allowed"),
    ],
)
def test_what_is_wrong_is_told_in_words_with_its_sentence(
    open_console: OpenConsole, database: Database, state: str, word: str
) -> None:
    put(database, state, problem="A sentence that says what to do.")
    text = shown(open_console("op"))
    assert f'<span class="status failing">{word}</span>' in text
    assert "A sentence that says what to do." in text


def test_repositories_with_webhooks_of_their_own_are_counted(open_console: OpenConsole, database: Database) -> None:
    put(database, "not_allowed", hook_id=None, problem="The identity owns no workspace.")
    for number in range(3):
        put(database, hook_id=f"{{hook-{number}}}", repository_id=f"{{r-{number}}}", slug=f"repo-{number}")
    text = shown(open_console("op"))
    assert "active on 3 of 3 repositories" in text
    assert "The identity owns no workspace." in text


def test_events_that_wait_changes_nobody_announced_and_wrong_signatures_are_warnings(
    open_console: OpenConsole, database: Database
) -> None:
    put(database, refused=3, refused_at="now()")
    event(database, "30 minutes", handled=False)
    for number in (1, 2):
        gap(database, number)
    text = shown(open_console("op"))
    assert "1 event waits, the oldest for longer than ten minutes" in text
    assert "Polling found 2 changes in the last week that no event announced" in text
    assert "Deliveries came whose signature was wrong (3 in all" in text
    assert "status passing" not in text


def test_what_no_event_announced_is_listed(open_console: OpenConsole, database: Database) -> None:
    Published(database).repository("payments")
    gap(database, 17)
    page = open_console("viewer").get("/integrations/webhooks/gaps?workspace=acme")
    assert page.status_code == 200
    assert "pull request #17 opened or merged" in page.text


@pytest.mark.parametrize("action", ["ensure", "rotate"])
def test_the_buttons_start_the_dag_and_are_remembered(
    open_console: OpenConsole, database: Database, started: Started, dsn: str, action: str
) -> None:
    put(database)
    console = open_console("op", "ann")
    answer = console.submit("/integrations/webhooks", {"workspace": ACME, "action": action}, on="/integrations")
    assert answer.status_code == 303
    assert started == [(action, ACME)]
    (entry,) = rows(dsn, "SELECT * FROM integration.console_audit", role="compliance_console")
    assert (entry["actor"], entry["action"], entry["subject"]) == ("airflow:ann", "webhook.asked_for", ACME)
    assert entry["after"]["action"] == action


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"workspace": "elsewhere", "action": "ensure"}, 404),
        ({"workspace": ACME, "action": "remove"}, 404),
        ({"workspace": ACME, "action": ""}, 404),
    ],
)
def test_nothing_else_can_be_asked_for(
    open_console: OpenConsole, started: Started, fields: dict[str, str], status: int
) -> None:
    answer = open_console("op").submit("/integrations/webhooks", fields, on="/integrations")
    assert answer.status_code == status
    assert started == []


def test_webhooks_that_are_off_are_not_registered(
    open_console: OpenConsole, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = open_console("op")
    token = console.token("/integrations")
    monkeypatch.delenv("COMPLIANCE_WEBHOOK_URL")
    answer = console.post("/integrations/webhooks", data={"csrf_token": token, "workspace": ACME, "action": "ensure"})
    assert answer.status_code == 409
    assert "set COMPLIANCE_WEBHOOK_URL first" in answer.text
    assert started == []


# --- disconnecting ---------------------------------------------------------------------------------------


@pytest.fixture
def connected(
    open_console: OpenConsole, database: Database, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch, dsn: str
) -> Console:
    """A browser of somebody who may disconnect a connection that has a webhook and its secret."""
    given = bitbucket_connection(sandbox.url, "admin", auth="authorization_code", workspaces=[ACME])
    monkeypatch.setenv("AIRFLOW_CONN_BITBUCKET_DEFAULT", json.dumps(given))
    WebhookSecrets(BitbucketDatabase.from_airflow(CONFIGURATION)).current("bitbucket_default")
    put(database)
    monkeypatch.setattr("compliance_console_app.services.connections.standing", lambda *_: {"status": "connected"})
    monkeypatch.setattr("bitbucket_cloud.auth.vault.vault.TokenVault.disconnect", lambda *_: True)
    return open_console("op", "ann")


def press(console: Console) -> Any:
    token = console.token("/exceptions/new")
    return console.post("/integrations/disconnect", data={"csrf_token": token, "confirmed": "yes", "data": "keep"})


def secrets(dsn: str) -> int:
    return len(rows(dsn, "SELECT 1 FROM integration.webhook_secrets", role="compliance_vault"))


def test_disconnecting_deletes_webhooks_and_secret_and_says_what_is_left(
    connected: Console, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def remove(client: object, store: object, workspaces: Any) -> Removed:
        asked.append(list(workspaces))
        return Removed(2, ("the webhook of repository one is left at Bitbucket: no rights; delete it there",))

    monkeypatch.setattr("bitbucket_cloud.webhooks.removal.remove", remove)
    answer = press(connected)
    assert asked == [[ACME]]
    told = message(answer)
    assert "2 webhooks deleted at Bitbucket" in told
    assert "the webhook of repository one is left at Bitbucket" in told
    assert secrets(dsn) == 0
    entries = rows(
        dsn, "SELECT action, before, after FROM integration.console_audit ORDER BY 1", role="compliance_console"
    )
    assert [entry["action"] for entry in entries] == ["connection.disconnected", "webhook.removed"]
    assert entries[1]["before"] == {"registered": 1}
    assert entries[1]["after"]["deleted"] == 2


def test_a_bitbucket_that_does_not_answer_holds_no_disconnect_up(
    connected: Console, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remove(*_: object) -> Removed:
        raise Unreachable("no answer from https://api.example.com")

    monkeypatch.setattr("bitbucket_cloud.webhooks.removal.remove", remove)
    told = message(press(connected))
    assert "Disconnected" in told
    assert "webhooks may be left at Bitbucket: no answer" in told
    assert secrets(dsn) == 0


def test_the_page_before_says_how_many_webhooks_go(
    connected: Console, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from compliance_console_app.services import connections

    view: Callable[..., connections.View] = connections.view
    monkeypatch.setattr(
        connections, "view", lambda *arguments: replace(view(*arguments), status="connected", connected_by="ann")
    )
    assert "Our webhook is deleted at Bitbucket, and its secret here" in connected.get("/integrations/disconnect").text


def test_an_airflow_connection_that_is_gone_holds_no_disconnect_up(
    connected: Console, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_BITBUCKET_DEFAULT")
    told = message(press(connected))
    assert "Disconnected" in told
    assert "webhooks may be left at Bitbucket: they could not be deleted (AirflowNotFoundException)" in told
    assert secrets(dsn) == 0


def test_what_nobody_foresaw_holds_no_disconnect_up_and_shows_nothing_of_the_inside(
    connected: Console, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remove(*_: object) -> Removed:
        raise RuntimeError("the secret plan")

    monkeypatch.setattr("bitbucket_cloud.webhooks.removal.remove", remove)
    told = message(press(connected))
    assert "they could not be deleted (RuntimeError)" in told
    assert "secret plan" not in told
    assert secrets(dsn) == 0


def test_webhooks_of_a_workspace_that_the_connection_names_no_more_are_deleted_too(
    connected: Console, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(database, workspace="dropped", hook_id="{d}")
    asked: list[list[str]] = []

    def remove(client: object, store: object, workspaces: Any) -> Removed:
        asked.append(list(workspaces))
        return Removed(2)

    monkeypatch.setattr("bitbucket_cloud.webhooks.removal.remove", remove)
    press(connected)
    assert asked == [[ACME, "dropped"]]


def test_the_secret_goes_where_no_webhook_was_ever_registered(
    connected: Console, database: Database, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remove(*_: object) -> Removed:
        raise AssertionError("there is nothing to ask Bitbucket for")

    monkeypatch.setattr("bitbucket_cloud.webhooks.removal.remove", remove)
    database.execute("DELETE FROM integration.webhooks")
    assert secrets(dsn) == 1
    assert "webhook" not in message(press(connected))
    assert secrets(dsn) == 0


# --- levels and words ------------------------------------------------------------------------------------


def test_one_repository_that_is_switched_off_does_not_hide_the_others(
    open_console: OpenConsole, database: Database
) -> None:
    put(database, "not_allowed", hook_id=None, problem="The identity owns no workspace.")
    for number in range(5):
        put(database, hook_id=f"{{hook-{number}}}", repository_id=f"{{r-{number}}}", slug=f"repo-{number}")
    put(database, "disabled", hook_id="{hook-x}", repository_id="{r-x}", slug="repo-x", problem="Somebody did.")
    assert "switched off at Bitbucket; active on 5 of 6 repositories" in shown(open_console("op"))


def test_what_no_event_announced_is_listed_before_anything_was_published(
    open_console: OpenConsole, database: Database
) -> None:
    Published(database).repository("payments")
    database.execute("UPDATE integration.runs SET workspace = 'other'")
    gap(database, 18)
    text = open_console("viewer").get("/integrations/webhooks/gaps?workspace=acme").text
    assert "pull request #18" in text
    assert "In workspace <strong>acme</strong>" in text


# --- runs that answer events -----------------------------------------------------------------------------


@pytest.fixture
def answered(database: Database) -> Published:
    """A whole run two days ago, and one a minute ago that answered an event."""
    world = Published(database)
    world.repository("payments")
    database.execute("UPDATE integration.runs SET started_at = now() - interval '2 days'")
    database.execute("UPDATE integration.runs SET finished_at = started_at")
    database.execute(
        "INSERT INTO integration.runs"
        " (run_id, workspace, status, policy_version, started_at, finished_at, kind, events)"
        " VALUES ('of-events', 'acme', 'published', 'p', now() - interval '1 minute', now(), 'events', 3)"
    )
    return world


def test_the_overview_tells_the_last_full_sync_beside_a_run_that_answered_events(
    open_console: OpenConsole, answered: Published
) -> None:
    text = open_console("viewer").get("/").text
    newest = text[text.index("Newest run:") :].partition("</p>")[0]
    assert "runs/of-events" in newest and "judged only what they touched" in newest
    assert newest.endswith("(2 days ago).")


def history(database: Database, status: str, run_id: str, begins: str, ends: str | None) -> None:
    database.execute(
        "INSERT INTO compliance.result_history (workspace, test_id, severity, subject_type, subject_id, subject_name,"
        " status, reason_code, reason, detail, policy_version, run_id, valid_from, valid_to, facts_hash)"
        " SELECT workspace, test_id, severity, subject_type, subject_id, subject_name, %s, reason_code, reason, detail,"
        " policy_version, %s, date_trunc('hour', now()) - %s::interval,"
        " date_trunc('hour', now()) - %s::interval, 'f' FROM compliance.results",
        (status, run_id, begins, ends),
    )


@pytest.mark.parametrize(("since", "is_told"), [(True, True), (False, False)])
def test_the_overview_tells_what_events_changed_since_the_first_whole_run(
    open_console: OpenConsole, database: Database, answered: Published, since: bool, is_told: bool
) -> None:
    history(database, "passing", "run", "1 day", "1 hour" if since else None)
    if since:
        history(database, "failing", "of-events", "1 hour", None)
    changes = open_console("viewer").get("/").text.partition('<h2 id="changes">')[2].partition("<h2")[0]
    assert ("payments" in changes) is is_told


def test_the_page_of_a_run_tells_what_kind_it_is(open_console: OpenConsole, answered: Published) -> None:
    console = open_console("viewer")
    assert "answers 3 events of webhooks; judges the repositories they touched" in console.get("/runs/of-events").text
    assert "polling: reads whatever is due" in console.get("/runs/run").text
    assert '<span class="tag">answers 3 events</span>' in console.get("/runs").text
