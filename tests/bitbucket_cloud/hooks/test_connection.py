"""The Airflow connection: every way to write it, every way to get it wrong, the check, and the test button."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from airflow.sdk import Connection

from bitbucket_cloud import errors
from bitbucket_cloud.configuration import Configuration
from bitbucket_cloud.hooks.bitbucket import BitbucketHook
from bitbucket_cloud.settings import Settings


def settings(**fields: Any) -> Settings:
    given = {"login": "key", "password": "secret-value", **fields}
    if isinstance(given.get("extra"), dict):
        given["extra"] = json.dumps(given["extra"])
    return Settings.from_connection(Connection(conn_id="bb", conn_type="bitbucket", **given), is_stored=False)


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({}, "https://api.bitbucket.org"),
        ({"host": "api.bitbucket.org"}, "https://api.bitbucket.org"),
        ({"host": "https://API.bitbucket.org/"}, "https://api.bitbucket.org"),
        ({"host": "https://api.bitbucket.org/2.0"}, "https://api.bitbucket.org"),
        ({"host": "https://api.bitbucket.org/2.0/"}, "https://api.bitbucket.org"),
        ({"host": " api.bitbucket.org ", "schema": "2.0"}, "https://api.bitbucket.org"),
        ({"host": "127.0.0.1", "port": 8080, "schema": "http"}, "http://127.0.0.1:8080"),
        ({"host": "http://127.0.0.1", "port": 8080}, "http://127.0.0.1:8080"),
        ({"host": "http://127.0.0.1:8080", "port": 8080}, "http://127.0.0.1:8080"),
        ({"host": "localhost:8080"}, "https://localhost:8080"),
        ({"host": "http://[::1]:8080"}, "http://[::1]:8080"),
        ({"host": "", "port": 443, "schema": ""}, "https://api.bitbucket.org"),
        ({"host": "https://api.bitbucket.org", "port": 443}, "https://api.bitbucket.org"),
        ({"host": "http://127.0.0.1:80"}, "http://127.0.0.1"),
        ({"host": "http://127.0.0.1:443"}, "http://127.0.0.1:443"),
    ],
)
def test_a_host_is_understood_in_each_way_to_write_it(fields: dict[str, Any], url: str) -> None:
    assert settings(**fields).api_url == url


@pytest.mark.parametrize(
    "uri",
    [
        "bitbucket://key:secret-value@127.0.0.1:8080/http?{extra}",
        "bitbucket://http://key:secret-value@127.0.0.1:8080/?{extra}",
        "bitbucket://key:secret-value@http%3A%2F%2F127.0.0.1:8080/?{extra}",
        "bitbucket://key:secret-value@http%3A%2F%2F127.0.0.1%3A8080%2F2.0/?{extra}",
    ],
)
def test_a_uri_says_what_json_says(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = urlencode(
        {
            "oauth_url": "http://127.0.0.1:9090",
            "workspaces": '["acme", "beta"]',
            "connections": 4,
            "requests_per_hour": 0,
            "auth": "client_credentials",
        }
    )
    monkeypatch.setenv("AIRFLOW_CONN_BITBUCKET_DEFAULT", uri.replace("{extra}", extra))
    by_uri = BitbucketHook().settings
    monkeypatch.setenv(
        "AIRFLOW_CONN_BITBUCKET_DEFAULT",
        json.dumps(
            {
                "conn_type": "bitbucket",
                "host": "http://127.0.0.1:8080",
                "login": "key",
                "password": "secret-value",
                "extra": {
                    "auth": "client_credentials",
                    "oauth_url": "http://127.0.0.1:9090/",
                    "workspaces": ["acme", "beta"],
                    "connections": 4,
                    "requests_per_hour": 0,
                },
            }
        ),
    )
    assert by_uri == BitbucketHook().settings
    assert (by_uri.connections, by_uri.requests_per_hour, by_uri.workspaces) == (4, 0, ("acme", "beta"))
    assert urlsplit(by_uri.oauth_url).port == 9090


@pytest.mark.parametrize(
    ("value", "slugs"),
    [
        (["acme", "beta"], ("acme", "beta")),
        ("acme", ("acme",)),
        ("acme, beta,", ("acme", "beta")),
        ("acme\nbeta\r\n", ("acme", "beta")),
        ("acme; beta", ("acme", "beta")),
        ('["acme","beta"]', ("acme", "beta")),
        (["acme", "  beta ", "", ""], ("acme", "beta")),
        (["acme, beta,"], ("acme", "beta")),
        (["acme", " acme "], ("acme",)),
        ("{d8dcf202-0b5d-4568-8954-43075e98b813}", ("{d8dcf202-0b5d-4568-8954-43075e98b813}",)),
        ("", ()),
        ([], ()),
        (None, ()),
    ],
)
def test_workspaces_are_a_list_in_each_way_to_write_it(value: Any, slugs: tuple[str, ...]) -> None:
    assert settings(extra={"workspaces": value}).workspaces == slugs


def test_what_airflows_page_sends_for_empty_fields_is_read_as_nothing() -> None:
    cleared = dict.fromkeys(("auth", "workspaces", "oauth_url", "requests_per_hour", "connections", "timeout"))
    assert settings(extra=cleared, host="", schema="", port=0) == settings()
    token = settings(extra=cleared, login="", password="a-token")
    assert token.auth == "access_token"


def test_a_message_names_the_field_as_the_form_does() -> None:
    with pytest.raises(errors.ConfigurationError, match=r"extra connections \(Parallel requests\) is 0"):
        settings(extra={"connections": 0})
    with pytest.raises(errors.ConfigurationError, match=r"login \(OAuth key\) is empty.*\(Sign in with\)"):
        settings(login="", extra={"auth": "client_credentials"})


def test_the_hook_lists_its_workspaces(connect: Any) -> None:
    assert connect(workspaces="acme,beta").settings.workspaces == ("acme", "beta")


def test_defaults_are_those_of_the_documentation() -> None:
    made = settings()
    assert (made.auth, made.oauth_url) == ("client_credentials", "https://bitbucket.org")
    assert (made.requests_per_hour, made.connections, made.retry_attempts) == (1000, 8, 5)
    assert (made.connect_timeout, made.read_timeout) == (10, 60)
    assert settings(login=None).auth == "access_token"
    assert settings(extra={"connections": "4", "timeout": "5"}).read_timeout == 5


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"host": "ftp://api.bitbucket.org"}, "host"),
        ({"host": "https://api.bitbucket.org/rest"}, "host"),
        ({"host": "https://api.bitbucket.org?x=1"}, "host"),
        ({"host": "https://me:hidden@api.bitbucket.org"}, "host"),
        ({"host": "https://api bitbucket.org"}, "host"),
        ({"host": "https://"}, "host"),
        ({"host": "https://host:port"}, "host"),
        ({"host": "https://[broken"}, "host"),
        ({"host": "127.0.0.1", "port": 99999}, "port"),
        ({"schema": "ssh"}, "schema"),
        ({"login": "", "extra": {"auth": "client_credentials"}}, "login"),
        ({"login": "", "extra": {"auth": "authorization_code"}}, "login"),
        ({"password": "", "extra": {"auth": "authorization_code"}}, "password"),
        ({"extra": {"workspaces": ["My workspace"]}}, "workspaces"),
        ({"password": ""}, "password"),
        ({"login": "", "password": ""}, "password"),
        ({"password": "two\nlines"}, "password"),
        ({"password": "sécret"}, "password"),
        ({"extra": "not json"}, "extra"),
        ({"extra": "[1]"}, "extra"),
        ({"extra": {"auth": "basic"}}, "auth"),
        ({"extra": {"auth": ["x"]}}, "auth"),
        ({"extra": {"oauth_url": 5}}, "oauth_url"),
        ({"extra": {"oauth_url": "https://x/y"}}, "oauth_url"),
        ({"extra": {"workspaces": "a/b"}}, "workspaces"),
        ({"extra": {"workspaces": "[broken"}}, "workspaces"),
        ({"extra": {"workspaces": {"a": 1}}}, "workspaces"),
        ({"extra": {"workspaces": [1]}}, "workspaces"),
        ({"extra": {"workspaces": ".."}}, "workspaces"),
        ({"extra": {"requests_per_hour": -1}}, "requests_per_hour"),
        ({"extra": {"requests_per_hour": "lots"}}, "requests_per_hour"),
        ({"extra": {"requests_per_hour": True}}, "requests_per_hour"),
        ({"extra": {"requests_per_hour": 1.5}}, "requests_per_hour"),
        ({"extra": {"requests_per_hour": "nan"}}, "requests_per_hour"),
        ({"extra": {"requests_per_hour": "inf"}}, "requests_per_hour"),
        ({"extra": {"connections": 0}}, "connections"),
        ({"extra": {"connections": 1000}}, "connections"),
        ({"extra": {"timeout": 0}}, "timeout"),
        ({"extra": {"retry_attempts": 0}}, "retry_attempts"),
        ({"extra": {"retry_wait": -1}}, "retry_wait"),
    ],
)
def test_a_wrong_field_is_named_and_its_connection_too(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(errors.ConfigurationError) as caught:
        settings(**fields)
    line = str(caught.value)
    assert line.startswith("Airflow connection bb: ") and named in line and "\n" not in line
    assert "hidden" not in line and "sécret" not in line and "secret-value" not in line


def test_granted_scopes_come_from_the_answers_with_what_they_include(fake: Any, client: Any, reply: Any) -> None:
    assert client.granted_scopes is None
    fake.on("/user", reply(200, {}))
    client.get("current_user")
    assert client.granted_scopes == {"account", "pullrequest", "repository", "webhook", "pipeline"}


def test_the_client_is_made_once_for_a_hook(connect: Any) -> None:
    hook = connect()
    assert hook.get_conn() is hook.get_conn()


def test_the_check_names_the_user_and_the_scopes(fake: Any, connect: Any, reply: Any) -> None:
    fake.on("/user", reply(200, {"display_name": "Ada\nLovelace"}))
    worked, sentence = connect().check()
    assert worked and "Ada Lovelace" in sentence and "pullrequest, repository" in sentence
    assert len(fake.api()) == 1 and "\n" not in sentence


def test_the_check_asks_for_a_workspace_with_an_access_token(fake: Any, connect: Any, reply: Any) -> None:
    fake.valid.add("my-access-token")
    fake.on("/workspaces/acme", reply(200, {"slug": "acme"}))
    hook = connect(fields={"login": "", "password": "my-access-token"}, workspaces=["acme"])
    worked, sentence = hook.check()
    assert worked and "acme" in sentence and len(fake.api()) == 1


def test_the_check_reads_the_first_workspaces_named(fake: Any, connect: Any, reply: Any) -> None:
    fake.on("/user", reply(200, {"display_name": "Ada"}))
    fake.on("/workspaces/acme", reply(200, {"slug": "acme"}))
    worked, sentence = connect(workspaces=["acme"]).check()
    assert worked and "as Ada; it can read acme; scopes granted" in sentence and len(fake.api()) == 2
    for number in range(7):
        fake.on(f"/workspaces/w{number}", reply(200, {"slug": f"w{number}"}))
    before = len(fake.api())
    assert connect(workspaces=[f"w{number}" for number in range(7)]).check()[0]
    assert len(fake.api()) - before == 6, "a long list is not read to its end while a person waits"


def test_the_check_names_a_workspace_that_is_not_there(fake: Any, connect: Any, reply: Any) -> None:
    fake.on("/user", reply(200, {"display_name": "Ada"}))
    fake.on("/workspaces/acne", reply(404, {"error": {"message": "No workspace"}}))
    worked, sentence = connect(workspaces=["acne"]).check()
    assert not worked and "/workspaces/acne" in sentence


def test_the_test_button_leaves_out_the_random_name_of_the_copy_it_tests(fake: Any, connect: Any, reply: Any) -> None:
    fake.token_reply = lambda seen: reply(400, {"error": "unauthorized_client"})
    hook = connect(conn_id="fqOQhmro")
    hook.configuration = Configuration(allowed_origins=(fake.url,))
    sentence = hook.test_connection()[1]
    assert "this connection" in sentence and "fqOQhmro" not in sentence
    sentence = connect(conn_id="fqOQhmro", connections="none").test_connection()[1]
    assert sentence.startswith("This connection: extra connections (Parallel requests)")
    assert "fqOQhmro" not in sentence


def test_the_check_works_without_the_scope_for_the_name(fake: Any, connect: Any, reply: Any) -> None:
    message = "Your credentials lack one or more required privilege scopes."
    body = {"error": {"message": message, "detail": {"required": ["account"], "granted": []}}}
    fake.on("/user", reply(403, body))
    worked, sentence = connect().check()
    assert worked and "account" in sentence


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fields": {"password": "wrong-secret"}}, "secret"),
        ({"fields": {"host": "http://127.0.0.1:1"}}, "no answer"),
        ({"fields": {"login": "", "password": "bad-token-value"}}, "workspace"),
        ({"connections": "none"}, "connections"),
    ],
)
def test_the_check_says_what_is_wrong(fake: Any, connect: Any, reply: Any, change: dict[str, Any], words: str) -> None:
    fake.token_reply = lambda seen: (
        None if change.get("fields", {}).get("host") else reply(400, {"error": "unauthorized_client"})
    )
    worked, sentence = connect(**change).check()
    assert not worked and words in sentence.lower() and "\n" not in sentence
    assert "wrong-secret" not in sentence and "bad-token-value" not in sentence


def test_the_check_survives_a_connection_that_is_not_there() -> None:
    worked, sentence = BitbucketHook("nowhere").check()
    assert not worked and "nowhere" in sentence
