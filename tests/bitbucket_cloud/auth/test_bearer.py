"""Tokens: had once, renewed ahead of time and once on 401, sent to one host, never shown."""

from __future__ import annotations

import base64
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from bitbucket_cloud import errors

KEY = "oauth-key-0001"
SECRET = "s3cret/with+odd=chars"


def token_requests(fake: Any) -> list[Any]:
    return [seen for seen in fake.seen if seen.path == "/site/oauth2/access_token"]


def test_client_credentials_are_sent_by_basic_and_the_token_by_bearer(fake: Any, client: Any, reply: Any) -> None:
    fake.on("/user", reply(200, {"uuid": "{1}"}))
    assert client.get("current_user") == {"uuid": "{1}"}
    asked, used = fake.seen
    assert asked.method == "POST" and asked.body == "grant_type=client_credentials"
    assert asked.headers["authorization"] == "Basic " + base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
    assert used.headers["authorization"] == "Bearer token-number-0001-abcdef"
    assert client.requests_sent == 1


def test_an_access_token_is_sent_as_it_is(fake: Any, connect: Any, reply: Any) -> None:
    fake.valid.add("my-access-token")
    fake.on("/user", reply(200, {}))
    connect(fields={"login": "", "password": "my-access-token"}).get_conn().get("current_user")
    assert [seen.headers["authorization"] for seen in fake.seen] == ["Bearer my-access-token"]


def test_one_token_serves_many_requests(fake: Any, client: Any, reply: Any) -> None:
    fake.on("/user", reply(200, {}))
    for _ in range(5):
        client.get("current_user")
    assert fake.tokens == 1


def test_a_token_is_renewed_ahead_of_the_expiry_it_stated(fake: Any, client: Any, reply: Any) -> None:
    fake.on("/user", reply(200, {}))
    fake.expires_in = 0.4  # renewed at three quarters of it
    client.get("current_user")
    client.get("current_user")
    assert fake.tokens == 1
    time.sleep(0.32)
    client.get("current_user")
    assert fake.tokens == 2


@pytest.mark.parametrize("stated", [None, "7200", "soon", -1, 0])
def test_a_lifetime_is_believed_in_any_form_and_survives_its_absence(
    fake: Any, client: Any, reply: Any, stated: object
) -> None:
    fake.expires_in = stated
    fake.on("/user", reply(200, {}))
    client.get("current_user")
    client.get("current_user")
    assert fake.tokens == 1


def test_a_refused_token_is_renewed_once_and_both_requests_are_counted(fake: Any, client: Any, reply: Any) -> None:
    fake.on("/user", reply(200, {}))
    client.get("current_user")
    fake.valid.clear()
    assert client.fetch("current_user").requests == 2
    assert fake.tokens == 2


def test_a_token_refused_twice_is_an_authentication_error(fake: Any, client: Any, reply: Any) -> None:
    fake.on("/user", reply(401, {"error": {"message": "Token is invalid"}}))
    with pytest.raises(errors.AuthenticationError, match="bitbucket_default") as caught:
        client.get("current_user")
    assert caught.value.requests == 2 and caught.value.status == 401
    assert fake.tokens == 2


def test_a_refused_access_token_is_not_asked_for_again(fake: Any, connect: Any) -> None:
    hook = connect(fields={"login": "", "password": "wrong-access-token"})
    with pytest.raises(errors.AuthenticationError) as caught:
        hook.get_conn().get("current_user")
    assert caught.value.requests == len(fake.seen) == 1
    assert "wrong-access-token" not in str(caught.value)


def test_eight_threads_renew_one_token(fake: Any, client: Any, reply: Any) -> None:
    fake.on("/user", reply(200, {}))
    fake.token_reply = lambda seen: time.sleep(0.1)
    barrier = threading.Barrier(8)

    def ask(_: int) -> None:
        barrier.wait()
        client.get("current_user")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(ask, range(8)))
        assert fake.tokens == 1
        fake.valid.clear()
        list(threads.map(ask, range(8)))
    assert fake.tokens == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": "unauthorized_client", "error_description": "Invalid OAuth client credentials"}),
        (401, {"error": "invalid_client"}),
        (401, "no"),
        (400, {"error": "invalid_grant"}),
    ],
)
def test_a_wrong_secret_names_the_connection_and_is_asked_once_for_all_threads(
    fake: Any, connect: Any, reply: Any, status: int, body: object
) -> None:
    fake.token_reply = lambda seen: reply(status, body)
    client = connect(conn_id="my_bitbucket").get_conn()

    def ask(_: int) -> str:
        with pytest.raises(errors.AuthenticationError) as caught:
            client.get("current_user")
        return str(caught.value)

    with ThreadPoolExecutor(8) as threads:
        lines = set(threads.map(ask, range(8)))
    assert len(lines) == 1 and len(token_requests(fake)) == 1
    (line,) = lines
    assert "my_bitbucket" in line and "secret" in line and "\n" not in line
    assert SECRET not in line and KEY not in line
    assert client.requests_sent == 0


@pytest.mark.parametrize("first", [(500, ""), (429, "Rate limit"), (200, "no json"), (200, {"token": 1})])
def test_a_token_endpoint_that_stumbles_is_asked_again(
    fake: Any, client: Any, reply: Any, first: tuple[int, object]
) -> None:
    answers = [reply(*first)]
    fake.token_reply = lambda seen: answers.pop() if answers else None
    fake.on("/user", reply(200, {}))
    client.get("current_user")
    assert len(token_requests(fake)) == 2


def test_a_wrong_oauth_url_is_named(connect: Any) -> None:
    hook = connect(oauth_url="http://127.0.0.1:1", retry_attempts=1)
    with pytest.raises(errors.Unreachable, match="oauth_url of Airflow connection bitbucket_default"):
        hook.get_conn().get("current_user")


def test_a_token_endpoint_that_is_a_web_page_shows_none_of_it(fake: Any, connect: Any, reply: Any) -> None:
    fake.token_reply = lambda seen: reply(404, "<html>secret page</html>")
    with pytest.raises(errors.BadRequest, match="oauth_url") as caught:
        connect().get_conn().get("current_user")
    assert "page" not in str(caught.value)


def test_authorization_code_without_a_database_says_so(connect: Any) -> None:
    with pytest.raises(errors.ConfigurationError, match="authorization_code keeps its tokens in a Postgres"):
        connect(auth="authorization_code").get_conn()


def test_cookies_and_netrc_have_no_say(
    fake: Any, client: Any, reply: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password stranger\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    fake.on("/user", reply(200, {}, {"Set-Cookie": "session=abc; Path=/"}))
    client.get("current_user")
    client.get("current_user")
    assert all("cookie" not in seen.headers for seen in fake.seen)
    assert {seen.headers["authorization"].split()[0] for seen in fake.api()} == {"Bearer"}


def test_no_secret_reaches_an_error_or_a_log(
    fake: Any, connect: Any, reply: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = "token-number-0001-abcdef"
    leaky = f"bad Authorization: Bearer {token} for {SECRET} https://u:pass-word@host/ access_token=abcdefgh"
    fake.on("/user", reply(400, {"error": {"message": leaky}}))
    hook = connect()
    with pytest.raises(errors.BadRequest) as caught:
        hook.get_conn().get("current_user")
    assert "***" in str(caught.value)
    everything = str(caught.value) + repr(hook.get_conn()) + repr(hook.settings) + caplog.text
    basic = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
    for secret in (token, SECRET, basic, "pass-word", "abcdefgh", "s3cret%2Fwith"):
        assert secret not in everything


def test_a_request_is_one_debug_line_with_the_templated_path(
    fake: Any, client: Any, reply: Any, caplog: pytest.LogCaptureFixture
) -> None:
    fake.on("/workspaces/acme", reply(200, {}))
    with caplog.at_level(logging.DEBUG, logger="bitbucket_cloud"):
        client.get("workspace", workspace="acme")
    (record,) = [record for record in caplog.records if record.name.startswith("bitbucket_cloud")]
    assert record.getMessage().startswith("GET /workspaces/{workspace} 200 ")
