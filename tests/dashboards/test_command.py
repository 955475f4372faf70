"""`make dashboard`: what it refuses before anything starts, and whose results it shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from bitbucket_compliance.commands.command_line import CommandError
from bitbucket_compliance.core.postgres_address import POSTGRES_CONNECTION
from local import __main__ as command_line
from local import dashboard
from local import environment as env
from local.dashboard import results_address
from local.postgres import EmbeddedPostgres
from local.services import Services
from local.superset import RESULTS, Superset

POSTGRES = "postgresql://pipeline:s3cret@db.example.com/compliance"


class _OurPostgres(Services):
    """With the tests' own server in the place of the checkout's."""

    server: EmbeddedPostgres

    def postgres(self) -> EmbeddedPostgres:
        return self.server


@pytest.fixture(autouse=True)
def _nothing_of_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "LOCAL", tmp_path)
    for name in (RESULTS, POSTGRES_CONNECTION, env.BITBUCKET_CONNECTION):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("port", ["0", "70000", "web", "-1", "80 80"])
def test_a_port_that_is_none_is_refused_at_once(
    port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PORT", port)
    assert command_line.main(["dashboard"]) == 1
    assert f"PORT={port}: is no port" in capsys.readouterr().err


def test_a_postgres_of_the_users_needs_a_login_of_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(POSTGRES_CONNECTION, POSTGRES)
    with Services() as services, pytest.raises(CommandError, match=RESULTS) as refusal:
        results_address(services)
    assert "compliance_reader" in str(refusal.value) and "s3cret" not in str(refusal.value)


def test_a_named_login_that_may_only_read_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch, dsn: str) -> None:
    reader = dashboard.ensure_login(dsn, "reader-password")
    monkeypatch.setenv(RESULTS, reader)
    with Services() as services:
        assert results_address(services) == reader


def test_in_the_embedded_postgres_the_login_is_made(
    monkeypatch: pytest.MonkeyPatch, postgres: EmbeddedPostgres
) -> None:
    services = _OurPostgres()
    services.server = postgres
    address = results_address(services)
    assert address.startswith("postgresql://compliance_dashboard:")
    dashboard.require_reader(address)
    assert results_address(services) == address, "the password stays the same"


def test_superset_learns_nothing_of_the_pipelines_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (env.VAULT_KEY, POSTGRES_CONNECTION, "AIRFLOW__CORE__FERNET_KEY", "SUPERSET_CONFIG"):
        monkeypatch.setenv(name, "a secret of the pipeline")
    superset = Superset(tmp_path, "postgresql://reader@host/db", "key", "admin", "viewer", tmp_path / "log")
    assert "a secret of the pipeline" not in superset.environment.values()
    assert superset.environment[RESULTS] == "postgresql://reader@host/db"
