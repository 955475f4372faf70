"""A person's consent: the address they are sent to, the code they bring back, and `make connect` around it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import psycopg
import pytest
import requests

from bitbucket_cloud.auth import oauth
from bitbucket_cloud.auth.encryption import Encryption
from bitbucket_cloud.auth.token_endpoint import GrantRefused
from bitbucket_cloud.auth.vault.vault import TokenVault
from bitbucket_cloud.client import errors
from bitbucket_cloud.database import Database
from bitbucket_cloud.settings import Settings
from local import connect as command
from local import environment as env
from local.services import Connections, LocalError, Services
from sandbox.process import SandboxServer
from tests.vaulting import CONSUMER, KEY, KEY_VARIABLE, ROOT, auth_for, connect, events, settings_for, status, vault_at


@pytest.fixture(autouse=True)
def _vault_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)


# --- the address and the code --------------------------------------------------------------------------


def test_the_address_names_consumer_and_state_and_no_more_than_was_asked_for(sandbox: SandboxServer) -> None:
    settings = settings_for(sandbox.url)
    plain = urlsplit(oauth.authorization_url(settings, "the&state"))
    assert f"{plain.scheme}://{plain.netloc}{plain.path}" == f"{sandbox.url}/site/oauth2/authorize"
    assert parse_qs(plain.query) == {
        "client_id": ["demo-admin-key"],
        "response_type": ["code"],
        "state": ["the&state"],
    }
    with_address = urlsplit(oauth.authorization_url(settings, "s", "http://localhost:1/callback?a=b"))
    assert parse_qs(with_address.query)["redirect_uri"] == ["http://localhost:1/callback?a=b"]


def test_the_way_from_the_address_to_the_vault(sandbox: SandboxServer, dsn: str) -> None:
    settings = settings_for(sandbox.url)
    address = "http://localhost:8976/callback"
    url = oauth.authorization_url(settings, "st", address)
    back = urlsplit(requests.get(url, allow_redirects=False, timeout=10).headers["Location"])
    query = parse_qs(back.query)
    assert query["state"] == ["st"] and back.netloc == "localhost:8976"
    done = oauth.connect(settings, vault_at(dsn), query["code"][0], connected_by="tester", redirect_uri=address)
    assert done.scopes is not None and "repository:admin" in done.scopes and done.lifetime == 7200
    assert auth_for(settings, dsn).token() in sandbox.state.tokens


def test_a_code_works_once_and_with_the_address_it_was_given_for(sandbox: SandboxServer, dsn: str) -> None:
    settings = settings_for(sandbox.url)
    code = sandbox.state.issue_code(CONSUMER[0])
    oauth.connect(settings, vault_at(dsn), code, connected_by="tester")
    other = sandbox.state.issue_code(CONSUMER[0], "http://localhost:1/callback")
    for used in (code, other):
        with pytest.raises(GrantRefused, match=r"refused the code of Airflow connection bitbucket_default"):
            oauth.connect(settings, vault_at(dsn), used, connected_by="tester")
    assert status(dsn) == ("connected", None)


def test_a_wrong_secret_is_named_when_a_code_is_exchanged(sandbox: SandboxServer, dsn: str) -> None:
    code = sandbox.state.issue_code(CONSUMER[0])
    with pytest.raises(errors.AuthenticationError, match="password") as caught:
        oauth.connect(settings_for(sandbox.url, password="wrong-secret"), vault_at(dsn), code, connected_by="tester")
    assert not isinstance(caught.value, GrantRefused)
    assert code in sandbox.state.codes


def test_a_code_is_not_used_where_its_tokens_could_not_be_kept(sandbox: SandboxServer, dsn: str) -> None:
    def nowhere() -> psycopg.Connection[object]:
        raise psycopg.OperationalError("no answer")

    code = sandbox.state.issue_code(CONSUMER[0])
    vault = TokenVault(Database(nowhere, "the database"), Encryption(KEY))
    with pytest.raises(errors.DatabaseUnavailable):
        oauth.connect(settings_for(sandbox.url), vault, code, connected_by="tester")
    assert code in sandbox.state.codes


def test_an_answer_without_a_refresh_token_is_not_kept(sandbox: SandboxServer, dsn: str) -> None:
    body = json.dumps({"access_token": "lonely-token", "expires_in": 7200})
    sandbox.state.add_fault("access_token", status=200, body=body, remaining=1)
    with pytest.raises(errors.UnreadableBody, match="no refresh token") as caught:
        connect(sandbox, dsn)
    assert "lonely" not in str(caught.value)
    assert events(dsn) == []


@pytest.mark.parametrize("key", ["scope", "scopes"])
def test_scopes_are_read_under_both_of_their_names(sandbox: SandboxServer, dsn: str, key: str) -> None:
    body = json.dumps({"access_token": "a-token", "refresh_token": "b-token", "expires_in": 60, key: "account project"})
    sandbox.state.add_fault("access_token", status=200, body=body, remaining=1)
    done = oauth.connect(settings_for(sandbox.url), vault_at(dsn), "code", connected_by="tester")
    assert done.scopes == {"account", "project"} and done.lifetime == 60


def test_a_connection_with_another_grant_needs_no_consent(sandbox: SandboxServer) -> None:
    with pytest.raises(errors.ConfigurationError, match="needs no consent"):
        oauth.authorization_url(Settings("bb", login="k", password="secret"), "s")


# --- make connect --------------------------------------------------------------------------------------


@pytest.fixture
def callback() -> Iterator[command.Callback]:
    with command.Callback(0) as listening:
        yield listening


def visit(callback: command.Callback, **query: str) -> requests.Response:
    return requests.get(f"{callback.address}?{urlencode(query)}", timeout=10)


def test_only_the_right_state_counts_and_only_once(callback: command.Callback) -> None:
    assert visit(callback, code="stranger", state="wrong").status_code == 400
    assert visit(callback, code="stranger").status_code == 400
    assert requests.get(callback.address.replace("/callback", "/favicon.ico"), timeout=10).status_code == 404
    assert visit(callback, code="mine", state=callback.state).status_code == 200
    assert visit(callback, code="second", state=callback.state).status_code == 400
    assert callback.wait(5) == command.Answer(code="mine")
    with pytest.raises(LocalError, match="nobody came back"):
        callback.wait(0.01)


def test_the_page_shows_nothing_of_what_came_with_the_browser(callback: command.Callback) -> None:
    page = visit(callback, error="<script>", state=callback.state, code="secret-code")
    assert "script" not in page.text and "secret-code" not in page.text
    assert callback.wait(5).error == "script"


def test_a_taken_port_is_named_with_the_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LocalError, match=rf"port {port}.*PORT=n"):
            command.Callback(port)


def test_who_is_denied_gets_one_clear_line_and_nothing_is_kept(
    sandbox: SandboxServer, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.state.deny_authorization = True

    class Browsing(command.Callback):
        def wait(self, seconds: float) -> command.Answer:
            url = oauth.authorization_url(settings_for(sandbox.url), self.state, self.address)
            threading.Thread(target=requests.get, args=(url,), kwargs={"timeout": 10}).start()
            return super().wait(seconds)

    monkeypatch.setattr(command, "Callback", Browsing)
    with pytest.raises(LocalError, match="access was denied on Bitbucket's page") as refused:
        command.connect_with(settings_for(sandbox.url), vault_at(dsn), 0)
    assert "\n" not in str(refused.value)
    assert events(dsn) == []


def test_make_connect_from_the_printed_address_to_a_connection_that_works(sandbox: SandboxServer, dsn: str) -> None:
    key, secret = CONSUMER
    extra = {"auth": "authorization_code", "oauth_url": sandbox.url}
    connection = {"conn_type": "bitbucket", "host": sandbox.url, "login": key, "password": secret, "extra": extra}
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "include"), str(ROOT / "plugins")]),
        "PYTHONUNBUFFERED": "1",
        env.BITBUCKET_CONNECTION: json.dumps(connection),
        env.POSTGRES_CONNECTION: dsn,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "local", "connect", "--port", "0"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    printed = ""
    try:
        while (found := re.search(r"^  (http\S+authorize\S+)$", printed, re.MULTILINE)) is None:
            line = process.stdout.readline()
            assert line, printed
            printed += line
        assert requests.get(found[1], timeout=10).status_code == 200
        printed += process.stdout.read()
        assert process.wait(60) == 0, printed
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert "scopes granted: account, pipeline, pullrequest, repository:admin, webhook" in printed
    secrets = {*sandbox.state.tokens, *sandbox.state.refresh_tokens, secret}
    assert not [value for value in secrets if value in printed]
    assert auth_for(settings_for(sandbox.url), dsn).token() in sandbox.state.tokens


def test_without_a_connection_to_connect_the_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Services, "connections", lambda *_, **__: Connections("", "", False))
    with pytest.raises(LocalError, match=env.BITBUCKET_CONNECTION):
        command.connect()


# --- make rotate-vault-key -----------------------------------------------------------------------------


@pytest.fixture
def _own_key(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "LOCAL", tmp_path / ".local")
    monkeypatch.delenv(KEY_VARIABLE)
    monkeypatch.setattr(Services, "connections", lambda *_, **__: Connections(dsn, "", False))


@pytest.mark.usefixtures("_own_key")
def test_the_checkouts_own_key_is_replaced_and_the_old_one_opens_nothing(
    sandbox: SandboxServer, dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = env.vault_keys({})
    connect(sandbox, dsn, keys=old)
    assert command.rotate_vault_key() == 0
    new = env.vault_keys({})
    assert new != old and "," not in new
    assert old not in capsys.readouterr().out
    monkeypatch.setenv(KEY_VARIABLE, new)
    assert auth_for(settings_for(sandbox.url), dsn).token()
    monkeypatch.setenv(KEY_VARIABLE, old)
    with pytest.raises(errors.ConfigurationError):
        auth_for(settings_for(sandbox.url), dsn).token()


@pytest.mark.usefixtures("_own_key")
def test_a_persons_keys_are_used_as_given(sandbox: SandboxServer, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(sandbox, dsn)
    new = env.new_vault_key()
    monkeypatch.setenv(KEY_VARIABLE, f"{new},{KEY}")
    assert command.rotate_vault_key() == 0
    monkeypatch.setenv(KEY_VARIABLE, new)
    assert auth_for(settings_for(sandbox.url), dsn).token()


def test_the_environment_of_airflow_has_the_persons_key_or_one_that_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(env, "LOCAL", tmp_path / ".local")
    made = env.airflow_environment(tmp_path, base={})[KEY_VARIABLE]
    Encryption(made)
    assert env.airflow_environment(tmp_path, base={KEY_VARIABLE: ""})[KEY_VARIABLE] == made
    assert env.airflow_environment(tmp_path, base={KEY_VARIABLE: KEY})[KEY_VARIABLE] == KEY
