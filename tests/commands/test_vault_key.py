"""`rotate-vault-key`: the vault is encrypted with another key, a person's or one that a checkout makes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bitbucket_cloud import errors
from bitbucket_compliance import __main__ as command_line
from local import __main__ as make
from local import environment as env
from sandbox.process import SandboxServer
from tests.vaulting import KEY, KEY_VARIABLE, auth_for, connect, settings_for


@pytest.fixture(autouse=True)
def _own_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "LOCAL", tmp_path / ".local")
    monkeypatch.delenv(KEY_VARIABLE, raising=False)


def test_the_checkouts_own_key_is_replaced_and_the_old_one_opens_nothing(
    sandbox: SandboxServer, dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = env.keys_of(KEY_VARIABLE, {})
    connect(sandbox, dsn, keys=old)
    assert make.main(["rotate-vault-key"]) == 0
    new = env.keys_of(KEY_VARIABLE, {})
    assert new != old and "," not in new
    assert old not in capsys.readouterr().out
    monkeypatch.setenv(KEY_VARIABLE, new)
    assert auth_for(settings_for(sandbox.url), dsn).token()
    monkeypatch.setenv(KEY_VARIABLE, old)
    with pytest.raises(errors.ConfigurationError):
        auth_for(settings_for(sandbox.url), dsn).token()


def test_a_rotation_that_fails_keeps_the_old_key_usable(
    sandbox: SandboxServer, dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    env.keys_of(KEY_VARIABLE, {})
    connect(sandbox, dsn, keys=env.new_fernet_key())
    before = env.keys_of(KEY_VARIABLE, {})
    assert make.main(["rotate-vault-key"]) == 1
    assert before in env.keys_of(KEY_VARIABLE, {}).split(",")


@pytest.mark.parametrize("main", [command_line.main, make.main])
def test_a_persons_keys_are_used_as_given(
    main: Callable[[list[str]], int], sandbox: SandboxServer, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    connect(sandbox, dsn)
    new = env.new_fernet_key()
    monkeypatch.setenv(KEY_VARIABLE, f"{new},{KEY}")
    assert main(["rotate-vault-key"]) == 0
    monkeypatch.setenv(KEY_VARIABLE, new)
    assert auth_for(settings_for(sandbox.url), dsn).token()


def test_without_a_key_it_is_named(dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["rotate-vault-key"]) == 1
    assert KEY_VARIABLE in capsys.readouterr().err
