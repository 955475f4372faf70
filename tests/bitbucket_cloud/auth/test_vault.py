"""The token vault: encrypted, bound to its rows, behind a role of its own; what is refused, and what is not."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from bitbucket_cloud import errors
from bitbucket_cloud.auth.encryption import TokenEncryption
from bitbucket_cloud.auth.vault.refresh import _Refresh
from bitbucket_cloud.hooks.bitbucket import BitbucketHook
from bitbucket_cloud.key_rotation import Rotated, rotate_keys
from bitbucket_compliance.core.bitbucket import CONFIGURATION
from sandbox.process import SandboxServer
from tests.vaulting import (
    CONN_ID,
    CONSUMER,
    KEY,
    KEY_VARIABLE,
    OTHER_KEY,
    auth_for,
    connect,
    database_at,
    events,
    rows,
    settings_for,
    status,
    vault_at,
)


@pytest.fixture(autouse=True)
def _vault_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)


@pytest.fixture
def hook(sandbox: SandboxServer, dsn: str, monkeypatch: pytest.MonkeyPatch) -> BitbucketHook:
    """A hook of a connected connection with auth authorization_code."""
    key, secret = CONSUMER
    extra = {"auth": "authorization_code", "oauth_url": sandbox.url, "retry_wait": 0.01, "requests_per_hour": 0}
    connection = {"conn_type": "bitbucket", "host": sandbox.url, "login": key, "password": secret, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_BITBUCKET_DEFAULT", json.dumps(connection))
    connect(sandbox, dsn)
    return BitbucketHook(configuration=CONFIGURATION)


def token_requests(sandbox: SandboxServer) -> int:
    return sandbox.state.count("access_token")


# --- use -----------------------------------------------------------------------------------------------


def test_the_token_of_the_consent_is_used_as_long_as_it_lives(hook: BitbucketHook, sandbox: SandboxServer) -> None:
    hook.get_conn().get("current_user")
    BitbucketHook(configuration=CONFIGURATION).get_conn().get("current_user")
    assert token_requests(sandbox) == 1


def test_a_token_is_refreshed_ahead_of_its_stated_expiry_and_the_next_process_uses_that_one(
    hook: BitbucketHook, sandbox: SandboxServer, dsn: str
) -> None:
    rows(
        dsn,
        "UPDATE integration.token_vault SET connected_at = connected_at - x, expires_at = expires_at - x"
        " FROM (SELECT interval '7100 seconds') AS t (x)",
    )
    hook.get_conn().get("current_user")
    BitbucketHook(configuration=CONFIGURATION).get_conn().get("current_user")
    assert token_requests(sandbox) == 2
    assert events(dsn) == ["connected", "refresh_started", "refreshed"]
    (row,) = rows(dsn, "SELECT refreshes, expires_at - refreshed_at AS lives FROM integration.token_vault")
    assert row["refreshes"] == 1 and 7190 < row["lives"].total_seconds() <= 7200


def test_a_token_that_expires_in_the_middle_of_a_page_walk_is_refreshed_and_no_page_is_lost(
    hook: BitbucketHook, sandbox: SandboxServer
) -> None:
    workspace = sandbox.state.workspaces[0]
    slugs: list[str] = []
    for number, page in enumerate(
        hook.get_conn().pages("repositories", params={"pagelen": 3}, workspace=workspace.slug)
    ):
        slugs += [repository["slug"] for repository in page.values]
        if number % 2 == 0:
            sandbox.state.expire_tokens()
    assert sorted(slugs) == sorted(repository.slug for repository in workspace.repositories)
    assert token_requests(sandbox) > 2
    assert sandbox.state.reused_refresh_tokens == 0


def test_a_connection_that_nobody_connected_says_so_and_asks_bitbucket_nothing(
    sandbox: SandboxServer, dsn: str
) -> None:
    with pytest.raises(errors.NeedsReconnect, match="bitbucket_default is not connected to Bitbucket yet"):
        auth_for(settings_for(sandbox.url), dsn).token()
    assert token_requests(sandbox) == 0


def test_the_form_tests_a_copy_under_a_random_id_with_the_grant_of_its_oauth_key(
    hook: BitbucketHook, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_XQZRANDOM", os.environ["AIRFLOW_CONN_BITBUCKET_DEFAULT"])
    worked, sentence = BitbucketHook(
        "xqzrandom", replace(CONFIGURATION, allowed_origins=(sandbox.url,))
    ).test_connection()
    assert worked, sentence
    assert "scopes granted" in sentence


# --- refusals ------------------------------------------------------------------------------------------


def test_a_refused_refresh_marks_the_connection_and_nobody_asks_again_until_it_is_connected(
    hook: BitbucketHook, sandbox: SandboxServer, dsn: str
) -> None:
    sandbox.state.refuse_refresh = True
    sandbox.state.expire_tokens()
    with pytest.raises(errors.NeedsReconnect, match=r"bitbucket_default.*make connect") as caught:
        hook.get_conn().get("current_user")
    assert "interrupted" not in str(caught.value) and "\n" not in str(caught.value)
    asked = token_requests(sandbox)
    for _ in range(3):
        with pytest.raises(errors.NeedsReconnect):
            BitbucketHook(configuration=CONFIGURATION).get_conn().get("current_user")
    worked, sentence = BitbucketHook(configuration=CONFIGURATION).check()
    assert not worked and "no longer connected to Bitbucket" in sentence and "make connect" in sentence
    assert token_requests(sandbox) == asked
    assert status(dsn)[0] == "needs_reconnect"
    assert events(dsn)[-3:] == ["refresh_started", "refused", "needs_reconnect"]
    sandbox.state.refuse_refresh = False
    connect(sandbox, dsn)
    BitbucketHook(configuration=CONFIGURATION).get_conn().get("current_user")
    assert status(dsn) == ("connected", None)


def test_an_unknown_refresh_token_is_a_refusal_too(hook: BitbucketHook, sandbox: SandboxServer, dsn: str) -> None:
    sandbox.state.refresh_tokens.clear()
    sandbox.state.expire_tokens()
    with pytest.raises(errors.NeedsReconnect):
        hook.get_conn().get("current_user")
    assert status(dsn)[0] == "needs_reconnect"


def test_a_wrong_secret_leaves_the_grant_as_it_is(hook: BitbucketHook, sandbox: SandboxServer, dsn: str) -> None:
    sandbox.state.consumers[CONSUMER[0]].secret = "another-secret"
    sandbox.state.expire_tokens()
    with pytest.raises(errors.AuthenticationError, match=r"login.*password") as caught:
        hook.get_conn().get("current_user")
    assert not isinstance(caught.value, errors.NeedsReconnect)
    assert status(dsn) == ("connected", None)
    assert events(dsn) == ["connected", "refresh_started", "refused"]
    sandbox.state.consumers[CONSUMER[0]].secret = CONSUMER[1]
    BitbucketHook(configuration=CONFIGURATION).get_conn().get("current_user")


@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 429}, {"kind": "reset"}])
def test_a_token_endpoint_that_stumbles_is_asked_again_with_the_same_grant(
    hook: BitbucketHook, sandbox: SandboxServer, dsn: str, fault: dict[str, Any]
) -> None:
    sandbox.state.expire_tokens()
    sandbox.state.add_fault("access_token", remaining=2, **fault)
    hook.get_conn().get("current_user")
    assert status(dsn) == ("connected", None)
    assert sandbox.state.reused_refresh_tokens == 0


def test_an_answer_lost_on_the_way_is_named_as_the_likely_cause(
    hook: BitbucketHook, sandbox: SandboxServer, dsn: str
) -> None:
    sandbox.state.expire_tokens()
    sandbox.state.add_fault("access_token", kind="truncated", remaining=1)
    with pytest.raises(errors.NeedsReconnect, match="likely cause is an interrupted refresh"):
        hook.get_conn().get("current_user")
    assert "interrupted refresh" in str(status(dsn)[1])


def test_who_connects_it_at_the_moment_of_the_refusal_is_heard(
    hook: BitbucketHook, sandbox: SandboxServer, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_up = _Refresh._give_up

    def connected_meanwhile(self: _Refresh, *values: Any) -> None:
        give_up(self, *values)
        connect(sandbox, dsn)

    monkeypatch.setattr(_Refresh, "_give_up", connected_meanwhile)
    sandbox.state.expire_tokens()
    sandbox.state.refuse_refresh = True
    hook.get_conn().get("current_user")
    assert status(dsn) == ("connected", None)


# --- what is at rest -----------------------------------------------------------------------------------


def test_the_raw_tables_hold_no_token(hook: BitbucketHook, sandbox: SandboxServer, dsn: str) -> None:
    sandbox.state.expire_tokens()
    hook.get_conn().get("current_user")
    sandbox.state.refuse_refresh = True
    sandbox.state.expire_tokens()
    with pytest.raises(errors.NeedsReconnect):
        BitbucketHook(configuration=CONFIGURATION).get_conn().get("current_user")
    raw = str(rows(dsn, "SELECT * FROM integration.token_vault"))
    raw += str(rows(dsn, "SELECT * FROM integration.connection_events"))
    secrets = {*sandbox.state.tokens, *sandbox.state.refresh_tokens, *sandbox.state.spent_refresh_tokens, CONSUMER[1]}
    assert len(secrets) > 4
    assert [secret for secret in secrets if secret in raw] == []


def test_rows_and_columns_that_were_swapped_are_refused(sandbox: SandboxServer, dsn: str) -> None:
    connect(sandbox, dsn, "one")
    connect(sandbox, dsn, "two")
    rows(
        dsn,
        "UPDATE integration.token_vault SET (access_token, refresh_token) ="
        " (SELECT access_token, refresh_token FROM integration.token_vault WHERE conn_id = 'two')"
        " WHERE conn_id = 'one'",
    )
    rows(
        dsn,
        "UPDATE integration.token_vault SET access_token = refresh_token, refresh_token = access_token"
        " WHERE conn_id = 'two'",
    )
    asked = token_requests(sandbox)
    for conn_id in ("one", "two"):
        with pytest.raises(errors.NeedsReconnect, match="were given to another connection"):
            auth_for(settings_for(sandbox.url, conn_id), dsn).token()
    assert token_requests(sandbox) == asked


@pytest.mark.parametrize(
    "bent", [{"api_url": "http://127.0.0.1:1"}, {"oauth_url": "http://127.0.0.1:1"}, {"login": "demo-key"}]
)
def test_a_connection_bent_to_another_host_or_consumer_gets_no_token(
    sandbox: SandboxServer, dsn: str, bent: dict[str, str]
) -> None:
    connect(sandbox, dsn)
    with pytest.raises(errors.NeedsReconnect, match="another connection, OAuth key or host"):
        auth_for(settings_for(sandbox.url, **bent), dsn).token()


# --- keys ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", ["", " , ", "too-short-to-be-one", f"{KEY},nonsense-here", KEY[:-4] + "!!!="])
def test_a_bad_key_is_refused_with_the_way_to_make_one_and_never_shown(keys: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=KEY_VARIABLE) as caught:
        TokenEncryption(keys, CONFIGURATION)
    line = str(caught.value)
    assert "Fernet.generate_key" in line and "\n" not in line
    assert not [key for key in keys.split(",") if key.strip() and key.strip() in line]


def test_after_a_rotation_the_new_key_alone_reads_and_the_old_one_does_not(
    sandbox: SandboxServer, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(sandbox, dsn, "one")
    connect(sandbox, dsn, "two")
    monkeypatch.setenv(KEY_VARIABLE, f"{OTHER_KEY},{KEY}")
    before = auth_for(settings_for(sandbox.url, "one"), dsn).token()
    assert rotate_keys(database_at(dsn), TokenEncryption(f"{OTHER_KEY},{KEY}", CONFIGURATION), None) == Rotated(2, 0)
    monkeypatch.setenv(KEY_VARIABLE, OTHER_KEY)
    assert auth_for(settings_for(sandbox.url, "one"), dsn).token() == before
    sandbox.state.expire_tokens()
    assert auth_for(settings_for(sandbox.url, "two"), dsn).renew(before)
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    with pytest.raises(errors.ConfigurationError, match=f"none of the keys in {KEY_VARIABLE}"):
        auth_for(settings_for(sandbox.url, "one"), dsn).token()
    assert events(dsn, "one") == ["connected", "rotated"]


def test_keys_are_rotated_while_runs_refresh_their_tokens_and_none_of_them_fails(
    sandbox: SandboxServer, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(sandbox, dsn)
    workers = []
    # As workers are restarted one by one: each of them reads what the other one writes.
    for keys in (f"{KEY},{OTHER_KEY}", f"{OTHER_KEY},{KEY}"):
        monkeypatch.setenv(KEY_VARIABLE, keys)
        workers.append(auth_for(settings_for(sandbox.url), dsn))

    def refresh(number: int) -> str:
        for _ in range(12):
            assert workers[number].renew(workers[number].token())
        return workers[number].token()

    both = TokenEncryption(f"{OTHER_KEY},{KEY}", CONFIGURATION)
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(refresh, number) for number in (0, 1)]
        while not all(run.done() for run in running):
            assert rotate_keys(database_at(dsn), both, None) == Rotated(1, 0)
        assert all(run.result() for run in running)
    # The last one with the old key first is gone: once more, and the old key can go.
    assert workers[1].renew(workers[1].token())
    rotate_keys(database_at(dsn), both, None)
    monkeypatch.setenv(KEY_VARIABLE, OTHER_KEY)
    assert auth_for(settings_for(sandbox.url), dsn).token() == workers[1].token()
    assert sandbox.state.reused_refresh_tokens == 0
    assert status(dsn) == ("connected", None)


def test_a_rotation_without_the_old_key_changes_nothing(sandbox: SandboxServer, dsn: str) -> None:
    connect(sandbox, dsn, "one")
    with pytest.raises(errors.ConfigurationError, match="Airflow connection one"):
        rotate_keys(database_at(dsn), TokenEncryption(OTHER_KEY, CONFIGURATION), None)
    assert auth_for(settings_for(sandbox.url, "one"), dsn).token()


# --- roles ---------------------------------------------------------------------------------------------

TRIED = [
    "SELECT * FROM integration.token_vault",
    "SELECT access_token FROM integration.token_vault FOR UPDATE",
    "UPDATE integration.token_vault SET status = 'connected'",
    "DELETE FROM integration.token_vault",
    "INSERT INTO integration.token_vault (conn_id) VALUES ('x')",
    "TRUNCATE integration.token_vault",
]
OTHER_ROLES = [
    "compliance",
    "compliance_owner",
    "compliance_pipeline",
    "compliance_console",
    "compliance_reader",
    "compliance_people_reader",
]


@pytest.mark.parametrize("role", OTHER_ROLES)
def test_no_other_role_may_touch_the_vault(sandbox: SandboxServer, dsn: str, role: str) -> None:
    connect(sandbox, dsn)
    for statement in TRIED:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            rows(dsn, statement, role=role)


@pytest.mark.parametrize("role", ["compliance", "compliance_pipeline", "compliance_console"])
def test_pipeline_and_console_see_the_state_of_connections_without_tokens(
    sandbox: SandboxServer, dsn: str, role: str
) -> None:
    connect(sandbox, dsn)
    (row,) = rows(dsn, "SELECT * FROM integration.connections", role=role)
    assert row["conn_id"] == CONN_ID and row["status"] == "connected" and row["connected_by"] == "tester"
    assert "repository:admin" in row["scopes"]
    assert not [name for name in row if "token" in name]
    assert rows(dsn, "SELECT * FROM integration.connection_events", role=role)


@pytest.mark.parametrize("role", ["compliance_reader", "compliance_people_reader"])
def test_readers_of_the_contract_see_nothing_of_connections(dsn: str, role: str) -> None:
    for statement in ("SELECT * FROM integration.connections", "SELECT * FROM integration.connection_events"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            rows(dsn, statement, role=role)


@pytest.mark.parametrize("role", [*OTHER_ROLES, "compliance_vault"])
def test_nobody_changes_what_happened(sandbox: SandboxServer, dsn: str, role: str) -> None:
    connect(sandbox, dsn)
    for statement in (
        "UPDATE integration.connection_events SET detail = 'x'",
        "DELETE FROM integration.connection_events",
        "TRUNCATE integration.connection_events",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            rows(dsn, statement, role=role)


def test_disconnecting_forgets_the_tokens_and_says_who_wanted_it(sandbox: SandboxServer, dsn: str) -> None:
    connect(sandbox, dsn)
    assert vault_at(dsn).disconnect(CONN_ID, "tester")
    assert not vault_at(dsn).disconnect(CONN_ID, "tester")
    assert rows(dsn, "SELECT * FROM integration.token_vault") == []
    assert events(dsn) == ["connected", "disconnected"]
    with pytest.raises(errors.NeedsReconnect, match="not connected"):
        auth_for(settings_for(sandbox.url), dsn).token()
