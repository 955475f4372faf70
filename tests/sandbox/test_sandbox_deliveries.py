"""Events are delivered as Bitbucket delivers them: whom to, signed how, how often, in which shape."""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID

import pytest

from sandbox import payloads
from sandbox.demo import demo_workspace
from sandbox.model import PullRequest, Repository, Webhook, Workspace
from sandbox.webhooks import MAX_BODY, Deliveries, encoded, request_for
from tests.pipeline import recorded
from tests.sandbox.receiver import Receiver

pytestmark = pytest.mark.slow

SECRET = "a shared secret of the sandbox"
# openssl dgst -sha256 -hmac 'a shared secret of the sandbox', of the bytes below, computed by openssl 3.0.
SIGNED = '{"actor":{"nickname":"ada"},"text":"café ✓"}'.encode()
SIGNATURE = "cdf22e394b66ef1f0e9bf72025d6c4f5e07128f14e9fa22f46a2abe2d13bcf8c"


@pytest.fixture
def workspace() -> Workspace:
    return demo_workspace()


@pytest.fixture
def repo(workspace: Workspace) -> Repository:
    found = workspace.repository("billing-api")
    assert found is not None
    return found


@pytest.fixture
def deliveries() -> Iterator[Deliveries]:
    made = Deliveries()
    yield made
    made.close()


def hook(url: str, *events: str, number: int = 1, secret: str | None = SECRET, active: bool = True) -> Webhook:
    uuid = f"{{00000000-0000-4000-8000-{number:012d}}}"
    return Webhook(uuid, url, "A test", list(events or ("repo:push",)), 0, active, secret)


def open_pull(repo: Repository) -> PullRequest:
    return next(pull for pull in repo.pull_requests if pull.state == "OPEN")


# --- the request ---------------------------------------------------------------------------------------


def test_a_signature_is_the_one_that_openssl_computed_beforehand() -> None:
    headers, body = request_for(hook("http://a.example"), "repo:push", SIGNED)
    assert body == SIGNED
    assert headers["X-Hub-Signature"] == f"sha256={SIGNATURE}"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_the_signature_of_an_event_is_the_one_that_openssl_computes_now(workspace: Workspace, repo: Repository) -> None:
    body = payloads.event("pullrequest:created", workspace, repo, open_pull(repo), workspace.members[0].account, {})
    headers, sent = request_for(hook("http://a.example"), "pullrequest:created", body)
    done = subprocess.run(["openssl", "dgst", "-sha256", "-hmac", SECRET], input=sent, capture_output=True, check=True)
    assert headers["X-Hub-Signature"] == "sha256=" + done.stdout.decode().rsplit("= ", 1)[1].strip()


def test_a_request_can_be_had_without_sending_it() -> None:
    happened = datetime(2026, 2, 19, 22, 31, 30, tzinfo=UTC)
    made = hook("http://a.example")
    headers, body = request_for(made, "repo:push", {"text": "ä"}, attempt=2, happened_at=happened)
    assert body == '{"text":"ä"}'.encode()
    assert str(UUID(headers.pop("X-Request-UUID")))
    assert headers.pop("X-Hub-Signature").startswith("sha256=")
    assert headers == {
        "User-Agent": "Bitbucket-Webhooks/2.0",
        "Content-Type": "application/json",
        "X-Event-Key": "repo:push",
        "X-Hook-UUID": made.uuid.strip("{}"),
        "X-Event-Time": "Thu, 19 Feb 2026 22:31:30 GMT",
        "X-Attempt-Number": "2",
    }
    assert request_for(made, "repo:push", body, request_uuid="x")[0]["X-Request-UUID"] == "x"


@pytest.mark.parametrize("secret", [None, ""])
def test_without_a_secret_nothing_is_signed(secret: str | None) -> None:
    headers, _ = request_for(hook("http://a.example", secret=secret), "repo:push", {})
    assert "X-Hub-Signature" not in headers


# --- whom it is delivered to ---------------------------------------------------------------------------


def test_what_arrives_is_signed_and_says_what_it_is(
    workspace: Workspace, repo: Repository, deliveries: Deliveries, receiver: Receiver
) -> None:
    workspace.webhooks.append(hook(receiver.url))
    before = datetime.now(UTC).replace(microsecond=0)
    (sent,) = deliveries.emit("repo:push", workspace, repo)
    deliveries.drain(10)
    (came,) = receiver.received
    assert came.path == "/hook" and came.body == sent.body
    digest = hmac.new(SECRET.encode(), came.body, hashlib.sha256).hexdigest()
    assert came.headers["x-hub-signature"] == f"sha256={digest}"
    assert came.headers["x-hook-uuid"] == workspace.webhooks[0].uuid.strip("{}")
    assert came.headers["x-request-uuid"] == sent.request_uuid
    assert came.headers["x-event-key"] == "repo:push"
    assert came.headers["x-attempt-number"] == "1"
    assert came.headers["user-agent"] == "Bitbucket-Webhooks/2.0"
    assert came.headers["content-type"] == "application/json"
    assert before <= parsedate_to_datetime(came.headers["x-event-time"]) <= datetime.now(UTC)
    assert json.loads(came.body)["repository"]["uuid"] == repo.uuid
    assert json.loads(came.body)["actor"]["uuid"] == workspace.members[0].account.uuid
    (attempt,) = deliveries.attempts
    assert (attempt.hook_uuid, attempt.event_key) == (workspace.webhooks[0].uuid, "repo:push")
    assert (attempt.request_uuid, attempt.number, attempt.status) == (sent.request_uuid, 1, 200)
    assert 0 < attempt.seconds < 5 and before <= attempt.sent_at <= datetime.now(UTC)


def test_active_webhooks_of_workspace_and_repository_that_subscribed_are_told(
    workspace: Workspace, repo: Repository, deliveries: Deliveries, receiver: Receiver
) -> None:
    other = next(one for one in workspace.repositories if one is not repo)
    workspace.webhooks += [
        hook(receiver.url, number=1),
        hook(receiver.url, number=2, active=False),
        hook(receiver.url, "repo:updated", number=3),
    ]
    repo.webhooks += [hook(receiver.url, "pullrequest:created", "repo:push", number=4, secret=None)]
    other.webhooks += [hook(receiver.url, number=5)]
    sent = deliveries.emit("repo:push", workspace, repo)
    deliveries.drain(10)
    told = {workspace.webhooks[0].uuid, repo.webhooks[0].uuid}
    assert {delivery.hook_uuid for delivery in sent} == told == {attempt.hook_uuid for attempt in deliveries.attempts}
    assert len({delivery.request_uuid for delivery in sent}) == 2
    assert sorted(value is None for value in receiver.header("X-Hub-Signature")) == [False, True]
    assert deliveries.emit("repo:deleted", workspace, repo) == [], "nobody subscribed to it"


def test_a_delivery_is_what_it_was_when_the_event_happened(
    workspace: Workspace, repo: Repository, deliveries: Deliveries, receiver: Receiver
) -> None:
    workspace.webhooks.append(hook(receiver.url))
    (sent,) = deliveries.emit("repo:push", workspace, repo)
    workspace.webhooks[0].secret = "another"
    workspace.webhooks.clear()
    deliveries.drain(10)
    assert receiver.header("X-Hub-Signature") == [sent.headers["X-Hub-Signature"]]
    deliveries.send(sent)
    deliveries.drain(10)
    assert receiver.header("X-Request-UUID") == [sent.request_uuid] * 2, "a replay is the same request again"


# --- how often -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "made"),
    [
        ([500, 500, 500, 200], [500, 500, 500]),
        ([503, 200], [503, 200]),
        ([599, 404], [599, 404]),
        ([204], [204]),
        ([302], [302]),
        ([400], [400]),
        ([404], [404]),
        ([429], [429]),
    ],
)
def test_only_an_error_of_the_server_is_followed_by_up_to_two_more_attempts(
    workspace: Workspace,
    repo: Repository,
    deliveries: Deliveries,
    receiver: Receiver,
    answers: list[int],
    made: list[int],
) -> None:
    receiver.statuses = list(answers)
    workspace.webhooks.append(hook(receiver.url))
    (sent,) = deliveries.emit("repo:push", workspace, repo)
    began = time.monotonic()
    deliveries.drain(10)
    assert time.monotonic() - began < 10, "at once"
    assert [(a.number, a.status) for a in deliveries.attempts] == list(enumerate(made, 1))
    assert receiver.header("X-Attempt-Number") == [str(number) for number in range(1, len(made) + 1)]
    assert set(receiver.header("X-Request-UUID")) == {sent.request_uuid}
    assert len({came.body for came in receiver.received}) == 1
    assert len(set(receiver.header("X-Hub-Signature"))) == 1


def test_an_answer_that_takes_too_long_counts_as_none(
    workspace: Workspace, repo: Repository, receiver: Receiver
) -> None:
    assert Deliveries().timeout == 10
    deliveries = Deliveries(timeout=0.2)
    receiver.delay = 0.6
    workspace.webhooks.append(hook(receiver.url))
    deliveries.emit("repo:push", workspace, repo)
    deliveries.drain(10)
    assert [(a.number, a.status) for a in deliveries.attempts] == [(1, 0), (2, 0), (3, 0)]
    assert all(0.2 <= attempt.seconds < 0.6 for attempt in deliveries.attempts)
    assert receiver.header("X-Attempt-Number") == ["1", "2", "3"]


@pytest.mark.parametrize("url", [None, "http://[::bad", "http://name.invalid/"], ids=["refused", "no url", "no host"])
def test_an_address_that_nobody_answers_gets_three_attempts(
    workspace: Workspace, repo: Repository, deliveries: Deliveries, url: str | None
) -> None:
    if url is None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    workspace.webhooks.append(hook(url))
    deliveries.emit("repo:push", workspace, repo)
    deliveries.drain(20)
    assert [(a.number, a.status) for a in deliveries.attempts] == [(1, 0), (2, 0), (3, 0)]


def test_a_body_above_256_kb_is_silently_dropped(
    workspace: Workspace, repo: Repository, deliveries: Deliveries, receiver: Receiver
) -> None:
    workspace.webhooks.append(hook(receiver.url))
    bare = len(encoded(payloads.event("repo:push", workspace, repo, None, workspace.members[0].account, {"x": ""})))
    largest = {"x": "y" * (MAX_BODY - bare)}
    assert deliveries.emit("repo:push", workspace, repo, details={"x": largest["x"] + "y"}) == []
    deliveries.drain(10)
    assert (receiver.received, deliveries.attempts, deliveries.dropped) == ([], [], 1)
    deliveries.emit("repo:push", workspace, repo, details=largest)
    deliveries.drain(10)
    assert [len(came.body) for came in receiver.received] == [256 * 1024]


def test_a_thousand_deliveries_arrive_once_each(
    workspace: Workspace, repo: Repository, deliveries: Deliveries, receiver: Receiver
) -> None:
    workspace.webhooks.append(hook(receiver.url, "pullrequest:fulfilled"))
    pull = open_pull(repo)
    for _ in range(1000):
        deliveries.emit("pullrequest:fulfilled", workspace, repo, pull)
    deliveries.drain(120)
    assert Counter((a.number, a.status) for a in deliveries.attempts) == {(1, 200): 1000}
    assert len(set(receiver.header("X-Request-UUID"))) == 1000


def test_so_many_are_on_their_way_at_once_as_one_chooses(
    workspace: Workspace, repo: Repository, receiver: Receiver
) -> None:
    receiver.delay = 0.3
    workspace.webhooks.append(hook(receiver.url))

    def seconds(workers: int) -> float:
        deliveries = Deliveries(workers)
        began = time.monotonic()
        for _ in range(4):
            deliveries.emit("repo:push", workspace, repo)
        assert deliveries.waiting > 0
        with pytest.raises(TimeoutError, match="deliveries are still on their way"):
            deliveries.drain(0.05)
        deliveries.drain(10)
        assert deliveries.waiting == 0
        return time.monotonic() - began

    assert seconds(4) < 1.0
    assert seconds(1) >= 1.2


def test_what_was_not_begun_can_be_given_up_and_more_sent_later(
    workspace: Workspace, repo: Repository, receiver: Receiver
) -> None:
    receiver.delay = 0.2
    deliveries = Deliveries(workers=1)
    workspace.webhooks.append(hook(receiver.url))
    for _ in range(20):
        deliveries.emit("repo:push", workspace, repo)
    deliveries.close()
    deliveries.drain(5)
    assert len(deliveries.attempts) < 5
    deliveries.forget()
    deliveries.emit("repo:push", workspace, repo)
    deliveries.drain(5)
    assert [a.status for a in deliveries.attempts] == [200]
    deliveries.close()


# --- the bodies ----------------------------------------------------------------------------------------

RECORDINGS = {
    "pullrequest:created": ("jenkins-webhook-pullrequest_created", "atlantis-bitbucket-cloud-pull-event-created"),
    "pullrequest:updated": ("jenkins-webhook-pullrequest_updated", "atlantis-bitbucket-cloud-pull-event-updated"),
    "pullrequest:fulfilled": ("jenkins-webhook-fulfilledpayload", "atlantis-bitbucket-cloud-pull-event-fulfilled"),
    "pullrequest:rejected": ("jenkins-webhook-pullrequest_rejected", "atlantis-bitbucket-cloud-pull-event-rejected"),
}


def keys(value: Any, path: str = "") -> set[str]:
    """Every key as a path, those of a list's items as ``[]``."""
    if isinstance(value, dict):
        return {found for key, inner in value.items() for found in {f"{path}.{key}"} | keys(inner, f"{path}.{key}")}
    if isinstance(value, list):
        return {found for inner in value for found in keys(inner, f"{path}[]")}
    return set()


def demo_event(event_key: str, details: dict[str, Any] | None = None) -> dict[str, Any]:
    """An event of a pull request in the state that its key says, approved by somebody and reviewed by somebody."""
    workspace = demo_workspace()
    repo = workspace.repository("reporting")
    assert repo is not None
    state = {"pullrequest:fulfilled": "MERGED", "pullrequest:rejected": "DECLINED"}.get(event_key, "OPEN")
    pull = next(pull for pull in repo.pull_requests if pull.state == state)
    approved = next(p for r in workspace.repositories for pr in r.pull_requests for p in pr.participants if p.approved)
    pull.participants, pull.reviewers = [approved], []
    return payloads.event(event_key, workspace, repo, pull, workspace.members[0].account, details or {})


# What recordings have and the sandbox has not, by the name of the key: its workspaces are no person's own, whose
# owner is an account, and usernames of accounts went in 2019.
PERSONAL = {".repository.owner.account_id", ".repository.owner.nickname"}
GONE = {".actor.username", ".pullrequest.closed_by.username"}
TEAM = {".repository.owner.username"}


@pytest.mark.skipif(recorded.MISSING is not None, reason=str(recorded.MISSING))
def test_an_updated_pull_request_has_exactly_the_keys_of_the_newest_recording() -> None:
    newest = keys(recorded.body("jenkins-webhook-pullrequest_updated"))
    assert keys(demo_event("pullrequest:updated")) == newest - PERSONAL | TEAM


@pytest.mark.skipif(recorded.MISSING is not None, reason=str(recorded.MISSING))
@pytest.mark.parametrize("event_key", RECORDINGS)
def test_pull_request_events_have_the_keys_of_the_recordings(event_key: str) -> None:
    made = keys(demo_event(event_key))
    for name in RECORDINGS[event_key]:
        assert keys(recorded.body(name)) - made - PERSONAL - GONE == set(), name
    everything = {path for names in RECORDINGS.values() for name in names for path in keys(recorded.body(name))}
    assert made - everything == set()


@pytest.mark.skipif(recorded.MISSING is not None, reason=str(recorded.MISSING))
@pytest.mark.parametrize("name", ["atlantis-pull-approved", "atlantis-pull-unapproved"])
def test_approvals_have_the_keys_of_recorded_pull_requests(name: str) -> None:
    event_key = name.replace("atlantis-pull-", "pullrequest:")
    person = demo_workspace().members[0].account
    body = demo_event(event_key, payloads.approval(person, datetime(2026, 1, 1, tzinfo=UTC)))
    assert keys(recorded.body(name)) - keys(body["pullrequest"]) == set()
    assert body["approval"]["user"]["uuid"] == person.uuid
    assert body["approval"]["date"] == "2026-01-01T00:00:00.000000+00:00"


def test_an_event_of_a_pull_request_needs_one(workspace: Workspace, repo: Repository, deliveries: Deliveries) -> None:
    workspace.webhooks.append(hook("http://a.example", "pullrequest:created"))
    with pytest.raises(ValueError, match="pullrequest:created is about a pull request"):
        deliveries.emit("pullrequest:created", workspace, repo)
