"""A person's consent: the address they are sent to, and the code they bring back."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
import requests

from bitbucket_cloud import errors
from bitbucket_cloud.auth import oauth
from bitbucket_cloud.auth.encryption import TokenEncryption
from bitbucket_cloud.auth.token_endpoint import GrantRefused
from bitbucket_cloud.auth.vault.vault import TokenVault
from bitbucket_cloud.database import Database
from bitbucket_cloud.settings import Settings
from sandbox.process import SandboxServer
from tests.vaulting import CONSUMER, KEY, KEY_VARIABLE, auth_for, connect, events, settings_for, status, vault_at


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
    vault = TokenVault(Database(nowhere, "the database"), TokenEncryption(KEY))
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
