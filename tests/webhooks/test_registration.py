"""Webhooks at Bitbucket: one each, repaired, never doubled, nobody else's touched, and what is recorded of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from bitbucket_cloud import errors
from bitbucket_cloud.auth.encryption import WebhookEncryption
from bitbucket_cloud.client.client import BitbucketClient
from bitbucket_cloud.database import Database
from bitbucket_cloud.settings import CLIENT_CREDENTIALS, Settings
from bitbucket_cloud.webhooks import registration as webhooks
from bitbucket_cloud.webhooks.records import CHECK_IS_WORTH
from bitbucket_cloud.webhooks.removal import Removed, remove
from bitbucket_cloud.webhooks.secrets.webhook_secrets import WebhookSecrets
from bitbucket_cloud.webhooks.signature import secret_of_webhook
from bitbucket_compliance.core.errors import BitbucketUnavailable
from bitbucket_compliance.tasks import bitbucket_webhooks as pipeline_webhooks
from bitbucket_compliance.tasks import webhook_report
from sandbox.model import Webhook
from sandbox.process import SandboxServer
from tests.harness import DEMO, Pipeline, bitbucket_connection
from tests.policies import put_in_force
from tests.vaulting import KEY, KEY_VARIABLE, OTHER_KEY, WEBHOOK_KEY_VARIABLE, database_at

URL = "https://hooks.example.com/webhooks/bitbucket"
EVENTS = ("repo:created", "pullrequest:fulfilled")
CONN = "bitbucket_default"
OURS = "Compliance pipeline (bitbucket_default)"


@pytest.fixture(autouse=True)
def _vault_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    monkeypatch.setenv(WEBHOOK_KEY_VARIABLE, OTHER_KEY)


class Bench:
    """A sandbox, a database and a client that looks after webhooks between them."""

    def __init__(self, server: SandboxServer, dsn: str, **settings: Any) -> None:
        self.server = server
        self.state = server.state
        self.dsn = dsn
        self.database: Database = database_at(dsn)
        self.secrets = WebhookSecrets(self.database, WebhookEncryption(OTHER_KEY))
        given = Settings(
            CONN,
            auth=CLIENT_CREDENTIALS,
            login="demo-admin-key",
            password="demo-admin-secret",
            api_url=server.url,
            oauth_url=server.url,
            retry_wait=0.001,
            retry_attempts=2,
            rate_limit_wait=0.001,
            rate_limit_pauses=1,
            requests_per_hour=0,
        )
        self.client = BitbucketClient(replace(given, **settings), database=self.database)

    def secret(self, repository_id: str = "") -> str:
        """What the webhook of the workspace, or of a repository, has to be given."""
        return secret_of_webhook(self.secrets.current(CONN).value, DEMO, repository_id)

    def ensure(self, repositories: Any = (), *, url: str = URL, events: Any = EVENTS, reactivate: bool = False) -> Any:
        return webhooks.ensure(self.client, self.database, DEMO, url, events, repositories, reactivate=reactivate)

    def remove(self) -> Removed:
        return remove(self.client, self.database, [DEMO])

    @property
    def hooks(self) -> list[Webhook]:
        """The workspace's webhooks at Bitbucket."""
        return self.state.workspaces[0].webhooks

    @property
    def repositories(self) -> list[tuple[str, str]]:
        return [(one.uuid, one.slug) for one in self.state.workspaces[0].repositories]

    def of(self, slug: str) -> list[Webhook]:
        return self.state.repository(slug).webhooks

    def add(self, **fields: Any) -> Webhook:
        """Somebody registers a webhook of the workspace."""
        given = {"url": "https://ci.example.com", "description": "CI", "events": ["repo:push"], "secret": "x", **fields}
        number = len(self.state.webhooks()) + 1
        hook = Webhook(uuid=f"{{{number:08d}-0000-4000-8000-000000000000}}", created_ns=number, **given)
        self.hooks.append(hook)
        return hook

    def rows(self) -> list[dict[str, Any]]:
        """What is recorded, the workspace first."""
        with self.database.transaction() as connection:
            return connection.execute("SELECT * FROM integration.webhooks ORDER BY repository_id").fetchall()

    def row(self, slug: str = "") -> dict[str, Any]:
        (found,) = [row for row in self.rows() if row["slug"] == slug]
        return found

    def run(self, statement: str, *values: object) -> None:
        with self.database.transaction() as connection:
            connection.execute(statement, values)  # type: ignore[arg-type]

    def wrote(self) -> list[tuple[str, int]]:
        """Method and status of the requests since the last look that change something."""
        done = [
            (one.method, one.status)
            for one in self.state.requests
            if one.method != "GET" and one.endpoint != "access_token"
        ]
        self.state.requests.clear()
        return done

    def asked(self) -> int:
        """Requests since the last look."""
        count = len([one for one in self.state.requests if one.endpoint != "access_token"])
        self.state.requests.clear()
        return count


@pytest.fixture
def bench(sandbox: SandboxServer, dsn: str) -> Iterator[Bench]:
    made = Bench(sandbox, dsn)
    yield made
    made.client.close()


@pytest.fixture
def lowly(sandbox: SandboxServer, dsn: str) -> Iterator[Bench]:
    """The same for an identity that owns no workspace."""
    sandbox.state.consumers["demo-admin-key"].workspace_admin = False
    made = Bench(sandbox, dsn)
    yield made
    made.client.close()


# --- the workspace's webhook ---------------------------------------------------------------------------


def test_a_workspace_gets_one_webhook_with_a_secret_and_it_is_recorded(bench: Bench) -> None:
    done = bench.ensure()
    (hook,) = bench.hooks
    (outcome,) = done.outcomes
    assert (outcome.place, outcome.state, outcome.done) == (f"workspace {DEMO}", "active", "created")
    assert (hook.url, hook.description, tuple(hook.events), hook.active) == (URL, OURS, EVENTS, True)
    secret = bench.secrets.current(CONN)
    assert hook.secret == bench.secret()
    row = bench.row()
    assert (row["hook_id"], row["secret_id"], row["state"], row["problem"]) == (
        hook.uuid, secret.secret_id, "active", None,
    )  # fmt: skip
    assert row["url"] == URL and tuple(row["events"]) == EVENTS and row["registered_at"] is not None


def test_a_second_time_writes_nothing_and_asks_once(bench: Bench) -> None:
    bench.ensure()
    before = bench.row()
    bench.wrote()
    done = bench.ensure()
    assert done.outcomes[0].done == "kept"
    assert bench.asked() == 1
    after = bench.row()
    assert after.pop("checked_at") > before.pop("checked_at")
    assert after == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "https://elsewhere.example.com"),
        ("events", ["repo:push"]),
        ("events", [*EVENTS, "repo:push"]),
        ("secret", None),
        ("description", "renamed by somebody"),
    ],
    ids=["url", "events", "more_events", "secret", "description"],
)
def test_what_differs_is_repaired_with_everything_and_delivers_since_the_same_time(
    bench: Bench, field: str, value: Any
) -> None:
    bench.ensure()
    before = bench.row()
    setattr(bench.hooks[0], field, value)
    bench.wrote()
    assert bench.ensure().outcomes[0].done == "repaired"
    assert bench.wrote() == [("PUT", 200)]
    (hook,) = bench.hooks
    assert (hook.url, hook.description, tuple(hook.events), hook.secret) == (URL, OURS, EVENTS, bench.secret())
    assert bench.row()["registered_at"] == before["registered_at"]
    bench.ensure()
    assert bench.wrote() == []


def test_the_order_of_events_is_no_difference(bench: Bench) -> None:
    bench.ensure()
    bench.hooks[0].events.reverse()
    assert bench.ensure().outcomes[0].done == "kept"


def test_another_address_or_other_events_change_the_webhook_that_is_there(bench: Bench) -> None:
    bench.ensure()
    uuid = bench.hooks[0].uuid
    bench.ensure(url="https://new.example.com/hook", events=["repo:deleted"])
    (hook,) = bench.hooks
    assert (hook.uuid, hook.url, hook.events) == (uuid, "https://new.example.com/hook", ["repo:deleted"])
    row = bench.row()
    assert (row["url"], row["events"]) == (hook.url, hook.events)


def test_one_that_was_deleted_is_registered_anew_and_delivers_since_now(bench: Bench) -> None:
    bench.ensure()
    before = bench.row()
    bench.hooks.clear()
    assert bench.ensure().outcomes[0].done == "created"
    after = bench.row()
    assert after["hook_id"] == bench.hooks[0].uuid != before["hook_id"]
    assert after["registered_at"] > before["registered_at"]


def test_one_that_was_deleted_and_can_not_be_created_is_missing_first_then_failed(bench: Bench) -> None:
    bench.ensure()
    bench.hooks.clear()
    bench.state.add_fault("create_workspace_webhook", status=429, remaining=2)
    done = bench.ensure()
    assert "requests ran out" in done.notes[0]
    row = bench.row()
    assert (row["state"], row["hook_id"], row["secret_id"]) == ("missing", None, None)
    assert bench.ensure().outcomes[0].done == "created"


def test_doubles_of_ours_are_deleted_and_those_of_others_stay(bench: Bench) -> None:
    other = bench.add()
    bench.ensure()
    kept = bench.hooks[-1].uuid
    bench.add(url=URL, description="by hand")
    bench.add(url="https://old.example.com", description=OURS)
    done = bench.ensure()
    assert [hook.uuid for hook in bench.hooks] == [other.uuid, kept]
    assert len(done.notes) == 2 and "deleted" in done.notes[0]
    assert (other.url, other.description, other.events, other.secret) == (
        "https://ci.example.com", "CI", ["repo:push"], "x",
    )  # fmt: skip


def test_a_double_that_can_not_be_deleted_is_told_and_ours_stays_active(bench: Bench) -> None:
    bench.ensure()
    bench.add(url=URL, description="by hand")
    bench.state.add_fault("delete_workspace_webhook", status=400)
    done = bench.ensure()
    assert bench.row()["state"] == "active"
    assert "left at Bitbucket" in done.notes[0]


def test_one_that_delivers_to_our_address_is_taken_over_with_a_new_secret(bench: Bench) -> None:
    hook = bench.add(url=URL, description="by hand")
    assert bench.ensure().outcomes[0].done == "repaired"
    assert [one.uuid for one in bench.hooks] == [hook.uuid]
    assert hook.secret == bench.secret()
    assert bench.row()["registered_at"] is not None


def test_a_kill_between_answer_and_record_loses_nothing(bench: Bench) -> None:
    bench.ensure()
    uuid = bench.hooks[0].uuid
    bench.run("DELETE FROM integration.webhooks")
    bench.ensure()
    assert [hook.uuid for hook in bench.hooks] == [uuid]
    assert bench.row()["hook_id"] == uuid


def test_two_connections_may_deliver_to_the_same_address(bench: Bench, sandbox: SandboxServer, dsn: str) -> None:
    bench.ensure()
    second = Bench(sandbox, dsn, conn_id="other_connection")
    for _ in range(2):
        webhooks.ensure(second.client, second.database, DEMO, URL, EVENTS)
        bench.ensure()
    assert sorted(hook.description for hook in bench.hooks) == [OURS, "Compliance pipeline (other_connection)"]
    assert len({hook.secret for hook in bench.hooks}) == 2
    assert len(bench.rows()) == 2
    # Also where nothing is recorded of the other one.
    bench.run("DELETE FROM integration.webhooks WHERE conn_id = 'other_connection'")
    bench.ensure()
    assert len(bench.hooks) == 2
    second.client.close()


def test_a_webhook_beyond_the_first_page_is_found(bench: Bench) -> None:
    for number in range(120):
        bench.add(description=f"CI {number}")
    bench.ensure()
    bench.ensure()
    assert len(bench.hooks) == 121


# --- answers that get lost -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["status_after", "truncated", "reset_in_body"])
def test_a_creation_whose_answer_is_lost_is_looked_for_and_not_doubled(bench: Bench, kind: Any) -> None:
    bench.state.add_fault("create_workspace_webhook", kind=kind, remaining=1)
    bench.ensure()
    (hook,) = bench.hooks
    assert [method for method, _ in bench.wrote()] == ["POST", "PUT"]
    row = bench.row()
    assert (row["hook_id"], row["state"]) == (hook.uuid, "active") and row["registered_at"] is not None
    assert hook.secret == bench.secret()


def test_a_creation_that_failed_is_tried_again(bench: Bench) -> None:
    bench.state.add_fault("create_workspace_webhook", status=500, remaining=1)
    assert bench.ensure().outcomes[0].done == "created"
    assert len(bench.hooks) == 1


def test_a_creation_that_keeps_failing_is_recorded_and_ends(bench: Bench) -> None:
    bench.state.add_fault("create_workspace_webhook", status=500)
    (outcome,) = bench.ensure().outcomes
    assert (outcome.state, outcome.done) == ("failed", "refused")
    assert [method for method, _ in bench.wrote()] == ["POST"] * webhooks.CREATE_ATTEMPTS
    row = bench.row()
    assert row["state"] == "failed" and row["hook_id"] is None and "status 500" in row["problem"]


def test_a_change_whose_answer_is_lost_is_sent_again(bench: Bench) -> None:
    bench.ensure()
    bench.hooks[0].events = ["repo:push"]
    bench.state.add_fault("update_workspace_webhook", kind="status_after", remaining=1)
    assert bench.ensure().outcomes[0].state == "active"
    assert tuple(bench.hooks[0].events) == EVENTS


def test_where_bitbucket_can_not_be_asked_what_is_known_of_the_webhook_stays(bench: Bench) -> None:
    bench.ensure()
    before = bench.row()
    bench.state.add_fault("workspace_webhooks", status=500)
    bench.ensure()
    row = bench.row()
    assert row["state"] == "failed" and row["problem"]
    for name in ("hook_id", "secret_id", "url", "events", "registered_at"):
        assert row[name] == before[name]
    bench.state.faults.clear()
    bench.ensure()
    assert (bench.row()["state"], bench.row()["registered_at"]) == ("active", before["registered_at"])


# --- switched off --------------------------------------------------------------------------------------


def test_one_that_somebody_switched_off_stays_off_until_it_is_asked_for(bench: Bench) -> None:
    bench.ensure()
    before = bench.row()
    bench.hooks[0].active = False
    bench.wrote()
    (outcome,) = bench.ensure().outcomes
    assert outcome.state == "disabled" and "switched the webhook" in (outcome.problem or "")
    assert bench.wrote() == [] and not bench.hooks[0].active
    assert bench.row()["state"] == "disabled" and bench.row()["problem"] == outcome.problem
    assert bench.ensure(reactivate=True).outcomes[0].state == "active"
    assert bench.hooks[0].active
    row = bench.row()
    assert row["state"] == "active" and row["problem"] is None and row["registered_at"] > before["registered_at"]


def test_one_that_is_off_is_repaired_without_switching_it_on(bench: Bench) -> None:
    bench.ensure()
    bench.hooks[0].active = False
    bench.hooks[0].events = ["repo:push"]
    bench.ensure()
    assert tuple(bench.hooks[0].events) == EVENTS and not bench.hooks[0].active


def test_one_that_was_switched_on_at_bitbucket_delivers_since_then(bench: Bench) -> None:
    bench.ensure()
    before = bench.row()
    bench.hooks[0].active = False
    bench.ensure()
    bench.hooks[0].active = True
    bench.ensure()
    assert bench.row()["state"] == "active" and bench.row()["registered_at"] > before["registered_at"]


# --- where the identity owns no workspace --------------------------------------------------------------


def test_repositories_get_one_each_where_the_workspace_is_refused(lowly: Bench) -> None:
    written = some(lowly, 1)[0][1]
    lowly.state.repository(written).identity_permission = "write"
    done = lowly.ensure(lowly.repositories)
    states = {one.place: one.state for one in done.outcomes}
    assert states.pop(f"workspace {DEMO}") == "not_allowed"
    assert states.pop(f"repository {DEMO}/{written}") == "not_allowed"
    gone = [one.slug for one in lowly.state.workspaces[0].repositories if one.gone]
    for slug in gone:
        assert states.pop(f"repository {DEMO}/{slug}") == "missing"
    refused = [one.slug for one in lowly.state.workspaces[0].repositories if one.identity_permission != "admin"]
    for slug in refused:
        states.pop(f"repository {DEMO}/{slug}", None)
    assert states and set(states.values()) == {"active"}
    for row in lowly.rows():
        if row["state"] == "active":
            (hook,) = lowly.of(row["slug"])
            assert (hook.uuid, hook.url, hook.secret) == (row["hook_id"], URL, lowly.secret(row["repository_id"]))
        else:
            assert row["hook_id"] is None and row["problem"]
    assert "owns no workspace" in lowly.row()["problem"]
    assert "no admin of this repository" in lowly.row(written)["problem"]


def some(bench: Bench, count: int = 4) -> list[tuple[str, str]]:
    """Repositories that the identity administers."""
    can = [one for one in bench.state.workspaces[0].repositories if one.identity_permission == "admin" and not one.gone]
    return [(one.uuid, one.slug) for one in can[:count]]


def test_repositories_are_asked_again_after_seven_days_alone_oldest_first(lowly: Bench) -> None:
    repositories = some(lowly)
    lowly.ensure(repositories)
    lowly.asked()
    done = lowly.ensure(repositories)
    assert lowly.asked() == 1, "the workspace, and no repository"
    assert {one.done for one in done.outcomes if one.repository_id} == {"not_asked"}
    age = "UPDATE integration.webhooks SET checked_at = checked_at - %s::interval WHERE slug = %s"
    lowly.run(age, "8 days", repositories[1][1])
    lowly.run(age, "9 days", repositories[3][1])
    lowly.run(age, "6 days", repositories[0][1])
    lowly.ensure(repositories)
    asked = [one.slug for one in lowly.state.requests if one.endpoint == "repository_webhooks"]
    assert len(asked) == 2
    order = [one.path for one in lowly.state.requests if one.endpoint == "repository_webhooks"]
    assert repositories[3][0].strip("{}") in order[0] and repositories[1][0].strip("{}") in order[1]


def test_what_changed_is_brought_to_repositories_at_once(lowly: Bench) -> None:
    repositories = some(lowly)
    lowly.ensure(repositories)
    lowly.ensure(repositories, events=["repo:deleted"])
    assert {tuple(lowly.of(slug)[0].events) for _, slug in repositories} == {("repo:deleted",)}
    lowly.secrets.rotate(CONN)
    lowly.ensure(repositories, events=["repo:deleted"])
    secrets = [lowly.of(slug)[0].secret for _, slug in repositories]
    assert secrets == [lowly.secret(repository_id) for repository_id, _ in repositories]
    assert len(set(secrets)) == len(secrets), "each webhook has its own"
    lowly.wrote()
    lowly.ensure(repositories, events=["repo:deleted"])
    assert lowly.wrote() == []


def test_a_repository_that_refused_is_asked_again_only_when_a_person_wants_it(lowly: Bench) -> None:
    repositories = some(lowly, 2)
    lowly.state.repository(repositories[0][1]).identity_permission = "write"
    lowly.ensure(repositories)
    lowly.state.repository(repositories[0][1]).identity_permission = "admin"
    lowly.ensure(repositories)
    assert lowly.row(repositories[0][1])["state"] == "not_allowed"
    lowly.ensure(repositories, reactivate=True)
    assert lowly.row(repositories[0][1])["state"] == "active"


def test_running_out_of_requests_leaves_the_rest_and_the_next_time_goes_on(lowly: Bench) -> None:
    repositories = some(lowly, 4)
    # The workspace costs one request, each new repository two.
    lowly.ensure(repositories[:1])
    lowly.state.add_fault("repository_webhooks", status=429, slug=repositories[2][0])
    lowly.state.add_fault("repository_webhooks", status=429, slug=repositories[2][1])
    done = lowly.ensure(repositories)
    assert "requests ran out" in done.notes[-1]
    assert {row["slug"] for row in lowly.rows()} == {"", repositories[0][1], repositories[1][1]}
    assert {row["state"] for row in lowly.rows()} == {"active", "not_allowed"}
    lowly.state.faults.clear()
    lowly.ensure(repositories)
    assert {row["slug"] for row in lowly.rows()} == {"", *(slug for _, slug in repositories)}
    assert [len(lowly.of(slug)) for _, slug in repositories] == [1] * 4


def test_a_repository_that_fails_holds_up_no_other(lowly: Bench) -> None:
    repositories = some(lowly, 3)
    for name in repositories[0]:
        lowly.state.add_fault("repository_webhooks", status=500, slug=name)
    lowly.ensure(repositories)
    assert [lowly.row(slug)["state"] for _, slug in repositories] == ["failed", "active", "active"]
    lowly.state.faults.clear()
    lowly.ensure(repositories)
    assert lowly.row(repositories[0][1])["state"] == "active"


def test_once_the_workspace_may_have_one_those_of_repositories_go(lowly: Bench) -> None:
    repositories = some(lowly)
    lowly.ensure(repositories)
    lowly.state.consumers["demo-admin-key"].workspace_admin = True
    lowly.state.expire_tokens()
    done = lowly.ensure(repositories)
    assert len(lowly.hooks) == 1 and not any(lowly.of(slug) for _, slug in repositories)
    assert [row["repository_id"] for row in lowly.rows()] == [""]
    assert lowly.row()["state"] == "active" and f"{len(repositories)} of its repositories" in done.notes[0]


def test_where_the_workspace_took_its_right_back_its_webhook_stays_known(bench: Bench) -> None:
    bench.ensure()
    before = bench.row()
    bench.state.consumers["demo-admin-key"].workspace_admin = False
    bench.state.expire_tokens()
    bench.ensure()
    row = bench.row()
    assert row["state"] == "not_allowed"
    assert (row["hook_id"], row["secret_id"]) == (before["hook_id"], before["secret_id"]), "it may deliver still"


def test_a_repository_that_is_gone_is_forgotten(lowly: Bench) -> None:
    repositories = some(lowly, 3)
    lowly.ensure(repositories)
    gone = repositories[0]
    everything = lowly.state.workspaces[0].repositories
    everything[:] = [one for one in everything if one.uuid != gone[0]]
    lowly.ensure(repositories[1:])
    assert {row["slug"] for row in lowly.rows()} == {"", *(slug for _, slug in repositories[1:])}


def test_where_no_repository_is_known_that_is_said(lowly: Bench) -> None:
    (told,) = lowly.ensure().notes
    assert "no repository is known yet" in told


def test_a_missing_scope_is_said_once_and_no_repository_is_asked(sandbox: SandboxServer, dsn: str) -> None:
    sandbox.state.add_consumer("bare", "bare-secret", ["account", "repository", "pullrequest"])
    bench = Bench(sandbox, dsn, login="bare", password="bare-secret")
    (outcome,) = bench.ensure(bench.repositories).outcomes
    assert outcome.state == "not_allowed" and "lacks the scope webhook" in (outcome.problem or "")
    assert bench.asked() == 1
    assert [row["repository_id"] for row in bench.rows()] == [""]
    bench.client.close()


def test_the_scope_of_an_event_that_is_missing_is_named(sandbox: SandboxServer, dsn: str) -> None:
    sandbox.state.add_consumer("bare", "bare-secret", ["account", "repository", "webhook"])
    bench = Bench(sandbox, dsn, login="bare", password="bare-secret")
    (outcome,) = bench.ensure(bench.repositories).outcomes
    assert outcome.state == "not_allowed" and "pullrequest" in (outcome.problem or "")
    bench.client.close()


# --- secrets -------------------------------------------------------------------------------------------


def test_after_a_rotation_each_webhook_is_given_the_new_secret_and_the_old_one_overlaps(bench: Bench) -> None:
    bench.ensure()
    before = bench.row()
    old = bench.hooks[0].secret
    new = bench.secrets.rotate(CONN)
    # While Bitbucket refuses, the webhook keeps delivering with the one that is recorded.
    bench.state.add_fault("update_workspace_webhook", status=500)
    bench.ensure()
    assert bench.row()["secret_id"] == before["secret_id"] and bench.hooks[0].secret == old
    bench.state.faults.clear()
    assert bench.ensure().outcomes[0].done == "repaired"
    row = bench.row()
    assert bench.hooks[0].secret == bench.secret() and row["secret_id"] == new.secret_id
    assert row["registered_at"] == before["registered_at"]


def test_refused_deliveries_are_counted_anew_once_the_secret_is_another(bench: Bench) -> None:
    bench.ensure()
    bench.run("UPDATE integration.webhooks SET refused = 3, refused_at = now()")
    bench.ensure()
    assert bench.row()["refused"] == 3
    bench.secrets.rotate(CONN)
    bench.ensure()
    assert (bench.row()["refused"], bench.row()["refused_at"]) == (0, None)


def test_no_secret_is_in_what_is_recorded_said_or_logged(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.state.add_fault("create_workspace_webhook", kind="status_after", remaining=1)
    with caplog.at_level(10):
        done = bench.ensure()
    said = caplog.text + repr(done) + str(bench.rows())
    assert bench.secret() not in said and bench.secrets.current(CONN).value not in said


# --- the address ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/webhooks/bitbucket",
        "http://10.0.0.4:8085/webhooks/bitbucket",
        "ftp://hooks.example.com/x",
        "hooks.example.com/x",
        "https://user:password@hooks.example.com/x",
        "https://hooks.example.com/x#part",
        "https://hooks.example.com/a b",
        "",
    ],
)
def test_an_address_that_can_not_be_used_is_refused_before_anything_is_asked(bench: Bench, url: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="COMPLIANCE_WEBHOOK_URL") as caught:
        bench.ensure(url=url)
    assert "\n" not in str(caught.value) and "password@" not in str(caught.value)
    assert bench.asked() == 0 and bench.rows() == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:8085/webhooks/bitbucket", "http://localhost:9/x", "http://[::1]/x"])
def test_plain_http_is_fine_on_this_machine(bench: Bench, url: str) -> None:
    assert bench.ensure(url=url).outcomes[0].state == "active"
    assert bench.hooks[0].url == url


# --- removal -------------------------------------------------------------------------------------------


def test_removal_deletes_ours_and_leaves_those_of_others(bench: Bench) -> None:
    other = bench.add()
    bench.ensure()
    bench.add(url="https://old.example.com", description=OURS)
    assert bench.remove() == Removed(2)
    assert bench.hooks == [other] and bench.rows() == []
    assert bench.remove() == Removed(0)


def test_removal_deletes_those_of_repositories(lowly: Bench) -> None:
    repositories = some(lowly)
    lowly.ensure(repositories)
    assert lowly.remove() == Removed(4)
    assert not lowly.state.webhooks() and lowly.rows() == []


def test_one_that_was_deleted_already_is_no_problem(lowly: Bench) -> None:
    repositories = some(lowly, 2)
    lowly.ensure(repositories)
    lowly.of(repositories[0][1]).clear()
    assert lowly.remove() == Removed(1)


def test_what_can_not_be_deleted_is_named_with_the_reason_and_forgotten(lowly: Bench) -> None:
    repositories = some(lowly, 3)
    lowly.ensure(repositories)
    lowly.state.repository(repositories[1][1]).identity_permission = "write"
    done = lowly.remove()
    assert done.deleted == 2
    (sentence,) = done.left
    assert f"repository {DEMO}/{repositories[1][1]}" in sentence and "Repository settings, Webhooks" in sentence
    assert lowly.rows() == []


def test_a_connection_that_is_refused_leaves_all_without_asking_for_each(lowly: Bench) -> None:
    repositories = some(lowly, 3)
    lowly.ensure(repositories)
    lowly.state.consumers["demo-admin-key"].secret = "another"
    lowly.state.expire_tokens()
    lowly.asked()
    done = lowly.remove()
    assert (done.deleted, len(done.left)) == (0, 3)
    assert lowly.asked() <= 1 and lowly.rows() == []


def test_of_another_connection_nothing_is_removed(bench: Bench, sandbox: SandboxServer, dsn: str) -> None:
    second = Bench(sandbox, dsn, conn_id="other_connection")
    webhooks.ensure(second.client, second.database, DEMO, URL, EVENTS)
    second.client.close()
    bench.ensure()
    assert bench.remove() == Removed(1)
    assert [hook.description for hook in bench.hooks] == ["Compliance pipeline (other_connection)"]


# --- as the pipeline does it ---------------------------------------------------------------------------


@pytest.fixture
def connected(bench: Bench, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """The Airflow connections of the bench, and an address."""
    extra = {"workspaces": [DEMO], "requests_per_hour": 0, "retry_attempts": 2}
    connection = bitbucket_connection(bench.server.url, "admin", **extra)
    monkeypatch.setenv("AIRFLOW_CONN_BITBUCKET_DEFAULT", json.dumps(connection))
    monkeypatch.setenv("COMPLIANCE_WEBHOOK_URL", URL)
    return bench


def carry_out(action: str, workspace: str = "", *, reactivate: bool = False) -> list[str]:
    lines: list[str] = []
    for name in pipeline_webhooks.plan(action, workspace):
        lines += pipeline_webhooks.look_after(action, name, reactivate=reactivate)
    return lines


def test_the_pipeline_registers_rotates_and_removes(connected: Bench) -> None:
    assert carry_out("ensure") == [f"workspace {DEMO}: webhook registered"]
    assert carry_out("ensure", DEMO) == [f"workspace {DEMO}: webhook as it should be"]
    before = connected.hooks[0].secret
    assert carry_out("rotate", DEMO) == [f"workspace {DEMO}: webhook repaired"]
    assert connected.hooks[0].secret == connected.secret() != before
    gone, warning = carry_out("remove")
    assert gone == f"workspace {DEMO}: 1 webhook deleted at Bitbucket" and "registers them again" in warning
    assert connected.hooks == [] and connected.rows() == []
    with psycopg.connect(connected.dsn) as connection:
        connection.execute("SET ROLE compliance_vault")
        assert connection.execute("SELECT count(*) FROM integration.webhook_secrets").fetchone() == (0,)


def test_builds_are_announced_only_where_a_test_asks_for_them(connected: Bench) -> None:
    builds = {"repo:commit_status_created", "repo:commit_status_updated"}
    for enabled in (True, False):
        changes = {"tests": {"pipelines_enabled": {"enabled": enabled}}}
        with psycopg.connect(connected.dsn, row_factory=dict_row) as connection:
            put_in_force(connection, DEMO, changes)
        carry_out("ensure")
        (hook,) = connected.hooks
        assert {"repo:updated", "pullrequest:fulfilled"} <= set(hook.events)
        assert set(hook.events) & builds == (builds if enabled else set())


def test_before_the_first_run_bitbucket_is_asked_which_repositories_there_are(connected: Bench) -> None:
    connected.state.consumers["demo-admin-key"].workspace_admin = False
    lines = carry_out("ensure")
    assert "not allowed: the identity owns no workspace" in lines[0]
    expected = len(some(connected, 1000))
    assert f"{expected} have a webhook" in lines[1]
    assert len(connected.state.webhooks()) == expected


def test_without_an_address_webhooks_are_off_and_removal_still_works(
    connected: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    carry_out("ensure")
    monkeypatch.setenv("COMPLIANCE_WEBHOOK_URL", " ")
    for action in ("ensure", "rotate"):
        with pytest.raises(pipeline_webhooks.WebhooksOff, match="COMPLIANCE_WEBHOOK_URL is not set"):
            pipeline_webhooks.plan(action)
    assert carry_out("remove") == [f"workspace {DEMO}: 1 webhook deleted at Bitbucket"]


def test_a_workspace_that_was_taken_out_of_the_connection_can_be_removed(
    connected: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    carry_out("ensure")
    connection = json.loads(os.environ["AIRFLOW_CONN_BITBUCKET_DEFAULT"])
    connection["extra"]["workspaces"] = ["another"]
    monkeypatch.setenv("AIRFLOW_CONN_BITBUCKET_DEFAULT", json.dumps(connection))
    assert pipeline_webhooks.plan("remove", DEMO) == [DEMO]
    with pytest.raises(pipeline_webhooks.WebhooksRefused, match=f"{DEMO} is none of connection {CONN}"):
        pipeline_webhooks.plan("ensure", DEMO)


def test_an_unknown_action_is_named(connected: Bench) -> None:
    with pytest.raises(pipeline_webhooks.WebhooksRefused, match="'destroy' is not known; it is one of ensure, rotate"):
        pipeline_webhooks.plan("destroy")


def test_where_bitbucket_fails_the_task_may_be_repeated(connected: Bench) -> None:
    connected.state.add_fault("workspace_webhooks", status=500)
    with pytest.raises(BitbucketUnavailable, match=f"workspace {DEMO}") as caught:
        carry_out("ensure")
    assert caught.value.retryable


def test_many_problems_are_counted_and_some_named() -> None:
    outcomes = [
        webhooks.Outcome(f"repository acme/r{n}", f"{{{n}}}", "not_allowed", "refused", "no admin") for n in range(30)
    ]
    lines = webhook_report.registered_lines("acme", webhooks.Registered(tuple(outcomes)))
    assert lines[0] == "repositories of acme: of 30, 30 are not allowed"
    assert len(lines) == 2 + webhook_report.MOST_NAMED and lines[-1].startswith("and 10 more")


# --- make webhooks -------------------------------------------------------------------------------------


@pytest.fixture
def make_webhooks(connected: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The command, with variables as `make` passes them on."""
    from local import __main__ as command_line
    from local import environment as env

    monkeypatch.setattr(env, "LOCAL", tmp_path / ".local")

    def make(**variables: str) -> int:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            return command_line.main(["webhooks"])

    return make


def test_the_command_says_what_it_did(
    make_webhooks: Callable[..., int], connected: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make_webhooks() == 0
    connected.hooks[0].active = False
    assert make_webhooks(ACTION="ENSURE", WORKSPACE=DEMO) == 0
    assert make_webhooks(ACTION="ensure", WORKSPACE=DEMO, REACTIVATE="1") == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.endswith("webhook registered") and third.endswith("webhook repaired")
    assert "disabled: somebody switched" in second and "make webhooks REACTIVATE=1" in second


def test_the_command_names_what_is_wrong_with_it(
    make_webhooks: Callable[..., int],
    connected: Bench,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert make_webhooks(ACTION="destroy") == make_webhooks(REACTIVATE="perhaps") == 1
    monkeypatch.setenv("COMPLIANCE_WEBHOOK_URL", "")
    assert make_webhooks() == 1
    monkeypatch.delenv("AIRFLOW_CONN_BITBUCKET_DEFAULT")
    assert make_webhooks() == 1
    lines = capsys.readouterr().err.splitlines()
    told = ("ACTION=destroy: choose one of", "REACTIVATE=perhaps", "webhooks are off", "AIRFLOW_CONN_BITBUCKET_DEFAULT")
    assert len(lines) == len(told)
    assert all(line.startswith("error: ") and words in line for line, words in zip(lines, told, strict=True))


def test_a_workspace_that_fails_holds_up_no_other(
    make_webhooks: Callable[..., int], connected: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    connection = json.loads(os.environ["AIRFLOW_CONN_BITBUCKET_DEFAULT"])
    connection["extra"]["workspaces"] = ["nowhere", DEMO]
    os.environ["AIRFLOW_CONN_BITBUCKET_DEFAULT"] = json.dumps(connection)
    assert make_webhooks() == 1
    told = capsys.readouterr()
    assert told.err.startswith("error: workspace nowhere") and f"workspace {DEMO}: webhook registered" in told.out


# --- the rule about old checks -------------------------------------------------------------------------


def test_a_check_is_worth_seven_days() -> None:
    assert timedelta(days=7) == CHECK_IS_WORTH
