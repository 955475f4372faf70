"""`connect`: a person consents in their browser, and the tokens are in the vault."""

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
from urllib.parse import urlencode

import pytest
import requests

from bitbucket_cloud.auth import oauth
from bitbucket_compliance import __main__ as command_line
from bitbucket_compliance.commands import connect as command
from bitbucket_compliance.commands.command_line import CommandError
from bitbucket_compliance.commands.environment import BITBUCKET_CONNECTION
from bitbucket_compliance.core.postgres_address import POSTGRES_CONNECTION
from sandbox.process import SandboxServer
from tests.vaulting import CONSUMER, KEY, KEY_VARIABLE, ROOT, auth_for, events, settings_for, vault_at


@pytest.fixture(autouse=True)
def _vault_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)


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
    with pytest.raises(CommandError, match="nobody came back"):
        callback.wait(0.01)


def test_the_page_shows_nothing_of_what_came_with_the_browser(callback: command.Callback) -> None:
    page = visit(callback, error="<script>", state=callback.state, code="secret-code")
    assert "script" not in page.text and "secret-code" not in page.text
    assert callback.wait(5).error == "script"


def test_a_taken_port_is_named_with_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=rf"port {port}.*--port=n"):
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
    with pytest.raises(CommandError, match="access was denied on Bitbucket's page") as refused:
        command.connect_with(settings_for(sandbox.url), vault_at(dsn), 0)
    assert "\n" not in str(refused.value)
    assert events(dsn) == []


def test_connect_from_the_printed_address_to_a_connection_that_works(
    sandbox: SandboxServer, dsn: str, tmp_path: Path
) -> None:
    key, secret = CONSUMER
    extra = {"auth": "authorization_code", "oauth_url": sandbox.url}
    connection = {"conn_type": "bitbucket", "host": sandbox.url, "login": key, "password": secret, "extra": extra}
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "include"), str(ROOT / "plugins")]),
        "PYTHONUNBUFFERED": "1",
        "AIRFLOW_HOME": str(tmp_path),
        BITBUCKET_CONNECTION: json.dumps(connection),
        POSTGRES_CONNECTION: dsn,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "bitbucket_compliance", "connect", "--port", "0"],
        cwd=tmp_path,
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
    assert "branch_protection_enforced can't be decided" not in printed, "the consumer was given repository:admin"
    secrets = {*sandbox.state.tokens, *sandbox.state.refresh_tokens, secret}
    assert not [value for value in secrets if value in printed]
    assert auth_for(settings_for(sandbox.url), dsn).token() in sandbox.state.tokens


def test_without_a_connection_to_connect_the_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(BITBUCKET_CONNECTION, raising=False)
    assert command_line.main(["connect"]) == 1
    assert BITBUCKET_CONNECTION in capsys.readouterr().err
