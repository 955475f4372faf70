"""What writes: sent as JSON, repeated where that can't do it twice, and its secret shown nowhere."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from bitbucket_cloud import errors
from bitbucket_cloud.client.client import BitbucketClient

HOOKS = "/workspaces/acme/hooks"
ONE = "/workspaces/acme/hooks/%7B1%7D"
HIDDEN = "hook-secret-which-nobody-sees"
BODY = {"url": "https://example.com/hook", "secret": HIDDEN}


def create(client: Any) -> Any:
    return client.send("create_workspace_webhook", BODY, workspace="acme")


def update(client: Any) -> Any:
    return client.send("update_workspace_webhook", BODY, workspace="acme", uid="{1}")


def delete(client: Any) -> Any:
    return client.send("delete_workspace_webhook", workspace="acme", uid="{1}")


def test_a_body_travels_as_json_and_201_is_success(fake: Any, client: Any, reply: Any) -> None:
    fake.on(HOOKS, reply(201, {"uuid": "{1}"}))
    answer = create(client)
    assert (answer.body, answer.requests) == ({"uuid": "{1}"}, 1)
    (seen,) = fake.api()
    assert (seen.method, json.loads(seen.body)) == ("POST", BODY)
    assert seen.headers["content-type"] == "application/json"


def test_an_answer_without_a_body_is_success(fake: Any, client: Any, reply: Any) -> None:
    fake.on(ONE, reply(204, ""))
    assert delete(client).body == {}
    assert [(seen.method, seen.body) for seen in fake.api()] == [("DELETE", "")]


def test_a_read_without_a_body_is_still_unreadable(fake: Any, connect: Any, reply: Any) -> None:
    fake.on("/workspaces/acme", reply(200, ""))
    with pytest.raises(errors.UnreadableBody):
        connect(retry_attempts=1).get_conn().get("workspace", workspace="acme")


@pytest.mark.parametrize("write", [update, delete])
def test_put_and_delete_are_repeated_like_a_get(fake: Any, client: Any, reply: Any, write: Any) -> None:
    fake.on(ONE, reply(500, ""), reply(200, {}, reset=True, content_length=900), reply(200, {}))
    assert write(client).requests == 3


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"status": 500, "body": ""}, errors.ServerError),
        ({"status": 201, "body": "{", "content_length": 900}, errors.Unreachable),
        ({"status": 201, "body": "no json"}, errors.UnreadableBody),
        ({"status": 201, "delay": 0.4}, errors.Unreachable),
    ],
    ids=["5xx", "broken_off", "unreadable", "time_out"],
)
def test_a_post_that_may_have_been_done_is_not_repeated(
    fake: Any, connect: Any, reply: Any, answer: dict[str, Any], kind: type[Exception]
) -> None:
    fake.on(HOOKS, reply(**answer))
    with connect(timeout=0.2).get_conn() as client, pytest.raises(kind):
        create(client)
    assert len(fake.api()) == 1


def test_a_post_is_repeated_after_429_and_after_a_renewal_of_the_token(fake: Any, client: Any, reply: Any) -> None:
    limited = reply(429, "Rate limit for this resource has been exceeded")
    fake.on(HOOKS, limited, reply(401, {}), reply(201, {"uuid": "{1}"}))
    assert create(client).requests == 3
    assert len({seen.body for seen in fake.api()}) == 1


def test_a_post_that_never_got_to_bitbucket_is_repeated(
    fake: Any, client: Any, reply: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.on(HOOKS, reply(201, {"uuid": "{1}"}))
    exchange = client._transport.exchange
    tries: list[str] = []

    def refused_twice(prepared: Any) -> Any:
        if "/hooks" in prepared.url:
            tries.append(prepared.method)
            if len(tries) < 3:
                raise errors.NeverReached("no answer (connection refused)")
        return exchange(prepared)

    monkeypatch.setattr(client._transport, "exchange", refused_twice)
    create(client)
    assert tries == ["POST"] * 3 and len(fake.api()) == 1


def test_a_post_whose_token_could_not_be_had_is_repeated(fake: Any, client: Any, reply: Any) -> None:
    failures = [reply(500, ""), None]
    fake.token_reply = lambda seen: failures.pop(0) if failures else None
    fake.on(HOOKS, reply(201, {"uuid": "{1}"}))
    create(client)
    assert len(fake.api()) == 1


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_write_follows_no_redirect(fake: Any, connect: Any, reply: Any, status: int) -> None:
    fake.on(HOOKS, reply(status, "", {"Location": "/2.0/workspaces/other/hooks"}))
    with pytest.raises(errors.BitbucketError):
        create(connect(retry_attempts=1).get_conn())
    assert len(fake.api()) == 1


def test_the_secret_is_in_no_error_and_no_log_and_is_passed_on_for_masking(
    fake: Any, client: Any, reply: Any, caplog: pytest.LogCaptureFixture
) -> None:
    masked: list[str] = []
    client = BitbucketClient(client.settings, on_token=masked.append)
    fake.on(HOOKS, reply(400, {"type": "error", "error": {"message": f"bad value {HIDDEN} for url"}}))
    with caplog.at_level(logging.DEBUG), pytest.raises(errors.BadRequest, match="bad value") as caught:
        create(client)
    assert HIDDEN not in str(caught.value) + repr(caught.value) + repr(client) + caplog.text
    assert HIDDEN in masked and client.settings.password in masked


def test_a_refusal_of_a_write_says_so(fake: Any, client: Any, reply: Any) -> None:
    fake.on(HOOKS, reply(403, {"type": "error", "error": {"message": "Access denied."}}))
    with pytest.raises(errors.PermissionMissing, match=r"may not change /workspaces/acme/hooks \(Access denied"):
        create(client)
