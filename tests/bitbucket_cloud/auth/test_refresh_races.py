"""Refresh tokens work once: processes that refresh at the same time, and processes that die while they do."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from bitbucket_cloud.client import errors
from sandbox.process import SandboxServer
from tests.vaulting import (
    CONN_ID,
    KEY,
    KEY_VARIABLE,
    Refresher,
    auth_for,
    connect,
    events,
    rows,
    settings_for,
    status,
)

ROUNDS = 200


@pytest.fixture(autouse=True)
def _vault_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)


@pytest.fixture
def refresher(sandbox: SandboxServer, dsn: str) -> Iterator[Callable[[], Refresher]]:
    """Starts processes that use the connected connection."""
    connect(sandbox, dsn)
    started: list[Refresher] = []

    def start() -> Refresher:
        started.append(Refresher(sandbox, dsn))
        return started[-1]

    yield start
    for process in started:
        process.close()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within 20 seconds"
        time.sleep(0.01)


def held(sandbox: SandboxServer, where: str) -> Callable[[], bool]:
    def is_held() -> bool:
        return sandbox.state.token_hold == where and sandbox.state.token_requests_held == 1

    return is_held


@pytest.mark.slow
def test_two_processes_that_refresh_at_once_use_no_token_twice(
    refresher: Callable[[], Refresher], sandbox: SandboxServer, dsn: str
) -> None:
    two = [refresher(), refresher()]
    refused = "-"
    for _ in range(ROUNDS + 1):
        for process in two:
            process.ask(refused)
        answers = {process.answer() for process in two}
        assert len(answers) == 1, answers
        (refused,) = answers
        assert refused in sandbox.state.tokens
    assert sandbox.state.reused_refresh_tokens == 0
    assert len(sandbox.state.spent_refresh_tokens) == ROUNDS
    assert len(sandbox.state.refresh_tokens) == 1
    assert events(dsn) == ["connected", *["refresh_started", "refreshed"] * ROUNDS]


def test_threads_of_one_process_and_another_process_share_one_refresh(
    refresher: Callable[[], Refresher], sandbox: SandboxServer, dsn: str
) -> None:
    other = refresher()
    auth = auth_for(settings_for(sandbox.url), dsn)
    before = auth.token()
    sandbox.state.token_delay_ms = 100
    threads = [threading.Thread(target=auth.renew, args=(before,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    other.ask(before)
    for thread in threads:
        thread.join()
    assert other.answer() == auth.token() != before
    assert len(sandbox.state.spent_refresh_tokens) == 1
    assert sandbox.state.reused_refresh_tokens == 0


def test_killed_before_bitbucket_used_the_token_up_the_next_process_succeeds(
    refresher: Callable[[], Refresher], sandbox: SandboxServer, dsn: str
) -> None:
    victim = refresher()
    sandbox.state.expire_tokens()
    sandbox.state.token_hold = "before"
    victim.ask(next(token for token in sandbox.state.tokens if token.startswith("sandbox-")))
    until(held(sandbox, "before"))
    assert victim.end() == -signal.SIGKILL
    until(lambda: sandbox.state.token_requests_held == 0)
    sandbox.state.token_hold = None
    next_one = refresher()
    next_one.ask(next(token for token in sandbox.state.tokens if token.startswith("sandbox-")))
    assert next_one.answer() in sandbox.state.tokens
    assert sandbox.state.reused_refresh_tokens == 0
    assert status(dsn) == ("connected", None)


def test_killed_after_bitbucket_used_the_token_up_a_person_is_asked_and_nobody_else_is_hurt(
    refresher: Callable[[], Refresher], sandbox: SandboxServer, dsn: str
) -> None:
    connect(sandbox, dsn, "another")
    victim = refresher()
    sandbox.state.token_hold = "after"
    victim.ask(_access_token(dsn, sandbox))
    until(lambda: len(sandbox.state.spent_refresh_tokens) == 1)
    assert victim.end() == -signal.SIGKILL
    until(lambda: sandbox.state.token_requests_held == 0)
    sandbox.state.token_hold = None
    refused = _access_token(dsn, sandbox)
    with pytest.raises(errors.NeedsReconnect, match=r"bitbucket_default.*interrupted refresh.*make connect"):
        auth_for(settings_for(sandbox.url), dsn).renew(refused)
    asked = sandbox.state.count("access_token")
    late = refresher()
    late.ask(refused)
    assert late.answer().startswith("NeedsReconnect: ")
    assert sandbox.state.count("access_token") == asked
    assert sandbox.state.reused_refresh_tokens == 1
    assert status(dsn)[0] == "needs_reconnect" and "interrupted refresh" in str(status(dsn)[1])
    other = auth_for(settings_for(sandbox.url, "another"), dsn)
    assert other.renew(other.token())
    assert status(dsn, "another") == ("connected", None)


def test_a_terminated_process_still_commits_what_bitbucket_answers(
    refresher: Callable[[], Refresher], sandbox: SandboxServer, dsn: str
) -> None:
    victim = refresher()
    sandbox.state.token_hold = "after"
    victim.ask(_access_token(dsn, sandbox))
    until(lambda: len(sandbox.state.spent_refresh_tokens) == 1)
    victim.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert victim.process.poll() is None
    sandbox.state.token_hold = None
    assert victim.process.wait(20) == 143
    assert events(dsn) == ["connected", "refresh_started", "refreshed"]
    auth = auth_for(settings_for(sandbox.url), dsn)
    assert auth.renew(auth.token())
    assert sandbox.state.reused_refresh_tokens == 0


def test_a_database_connection_that_breaks_while_bitbucket_answers_costs_no_grant(
    refresher: Callable[[], Refresher], sandbox: SandboxServer, dsn: str
) -> None:
    process = refresher()
    sandbox.state.token_hold = "after"
    process.ask(_access_token(dsn, sandbox))
    until(lambda: len(sandbox.state.spent_refresh_tokens) == 1)
    with psycopg.connect(dsn, autocommit=True) as connection:
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'idle in transaction'"
        ).fetchall()
    assert len(ended) == 1
    sandbox.state.token_hold = None
    assert process.answer() in sandbox.state.tokens
    assert events(dsn) == ["connected", "refresh_started", "refreshed"]
    auth = auth_for(settings_for(sandbox.url), dsn)
    assert auth.renew(auth.token())
    assert sandbox.state.reused_refresh_tokens == 0


def test_a_vault_that_cannot_be_written_is_noticed_before_bitbucket_is_asked(
    refresher: Callable[[], Refresher], sandbox: SandboxServer, dsn: str
) -> None:
    rows(dsn, "ALTER TABLE integration.token_vault ADD CHECK (refreshes < 1)")
    auth = auth_for(settings_for(sandbox.url), dsn)
    with pytest.raises(errors.DatabaseUnavailable):
        auth.renew(auth.token())
    assert len(sandbox.state.spent_refresh_tokens) == 0
    assert status(dsn) == ("connected", None)


def test_a_servers_time_limits_do_not_end_a_refresh_that_waits_for_bitbucket(
    refresher: Callable[[], Refresher], sandbox: SandboxServer, dsn: str
) -> None:
    impatient = f"{dsn}?options=-c%20idle_in_transaction_session_timeout%3D100%20-c%20statement_timeout%3D200"
    sandbox.state.token_delay_ms = 600
    auth = auth_for(settings_for(sandbox.url), impatient)
    assert auth.renew(auth.token())
    assert events(dsn) == ["connected", "refresh_started", "refreshed"]


def test_a_process_that_waits_too_long_for_another_may_try_again(
    refresher: Callable[[], Refresher], sandbox: SandboxServer, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bitbucket_cloud.auth.vault.refresh.LOCK_MARGIN", 0.1)
    settings = settings_for(sandbox.url, connect_timeout=0.1, read_timeout=0.1)
    auth = auth_for(settings, dsn)
    refused = auth.token()
    with psycopg.connect(dsn) as other:
        other.execute("SET LOCAL ROLE compliance_vault")
        other.execute("SELECT 1 FROM integration.token_vault WHERE conn_id = %s FOR UPDATE", [CONN_ID])
        with pytest.raises(errors.DatabaseUnavailable, match="another process has been refreshing") as caught:
            auth.renew(refused)
    assert caught.value.retryable


def _access_token(dsn: str, sandbox: SandboxServer) -> str:
    """The access token that the connection has now."""
    return auth_for(settings_for(sandbox.url), dsn).token()
