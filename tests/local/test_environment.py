"""Whose connection is used, what Airflow is told, and which secrets stay where."""

from __future__ import annotations

import json
import socket
import stat
from pathlib import Path

import pytest

from bitbucket_cloud.auth.encryption import TokenEncryption
from bitbucket_compliance.commands.command_line import CommandError
from bitbucket_compliance.core.bitbucket import CONFIGURATION
from bitbucket_compliance.core.postgres_address import POSTGRES_CONNECTION
from local import environment as env
from local import services
from local.services import Connections, Services, only_one, usable

USERS_POSTGRES = "postgresql://someone:s%40fe%2Fword@db.example.com:6543/results?sslmode=require"
USERS_BITBUCKET = json.dumps({"conn_type": "bitbucket", "login": "key", "password": "secret"})


class _NoServices(Services):
    """Names what would have been started instead of starting it."""

    def sandbox(self) -> str:
        return "http://127.0.0.1:1"

    def postgres(self) -> services.EmbeddedPostgres:
        class Fake(services.EmbeddedPostgres):
            def uri(self, database: str = "compliance", user: str = "compliance", password: str | None = None) -> str:
                return "postgresql://compliance:embedded@127.0.0.1:2/compliance"

        return Fake(Path("/nowhere"))


@pytest.fixture(autouse=True)
def _local_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "LOCAL", tmp_path / ".local")
    monkeypatch.delenv(POSTGRES_CONNECTION, raising=False)
    monkeypatch.delenv(env.BITBUCKET_CONNECTION, raising=False)


def test_without_connections_the_embedded_services_are_used() -> None:
    connections = _NoServices().connections()
    assert connections.postgres_is_embedded
    assert connections.address.port == 2
    assert json.loads(connections.bitbucket)["host"] == "http://127.0.0.1:1"


def test_the_users_connections_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(POSTGRES_CONNECTION, USERS_POSTGRES)
    monkeypatch.setenv(env.BITBUCKET_CONNECTION, USERS_BITBUCKET)
    connections = _NoServices().connections()
    assert connections.as_environment() == {
        POSTGRES_CONNECTION: USERS_POSTGRES,
        env.BITBUCKET_CONNECTION: USERS_BITBUCKET,
    }
    assert not connections.postgres_is_embedded


def test_one_of_the_two_may_be_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(env.BITBUCKET_CONNECTION, USERS_BITBUCKET)
    connections = _NoServices().connections()
    assert connections.bitbucket == USERS_BITBUCKET
    assert connections.postgres_is_embedded


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(POSTGRES_CONNECTION, "")
    assert _NoServices().connections().postgres_is_embedded


def test_the_demo_never_uses_a_users_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(POSTGRES_CONNECTION, USERS_POSTGRES)
    monkeypatch.setenv(env.BITBUCKET_CONNECTION, USERS_BITBUCKET)
    connections = _NoServices().connections(ignore_user=True)
    assert connections.postgres_is_embedded
    assert USERS_BITBUCKET not in connections.as_environment().values()


@pytest.mark.parametrize(("grant", "key"), [("admin", "demo-admin-key"), ("five", "demo-key")])
def test_the_grant_chooses_the_sandboxs_consumer(grant: str, key: str) -> None:
    assert json.loads(_NoServices(sandbox_grant=grant).connections().bitbucket)["login"] == key


def test_a_person_connects_the_sandbox_where_there_is_a_page_to_do_it_on() -> None:
    by_itself = json.loads(_NoServices().connections().bitbucket)
    by_consent = json.loads(_NoServices(sandbox_auth=env.BY_CONSENT).connections().bitbucket)
    assert by_itself["extra"]["auth"] == "client_credentials"
    assert by_consent["extra"]["auth"] == "authorization_code"


def test_an_unreachable_postgres_is_one_line_with_connection_host_and_port() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        connections = Connections(f"postgresql://me:hidden@127.0.0.1:{port}/db", "{}", False)
        with pytest.raises(CommandError) as refused:
            usable(connections)
    message = str(refused.value)
    assert "compliance_postgres" in message
    assert f"127.0.0.1:{port}" in message
    assert "hidden" not in message
    assert "\n" not in message


def test_settings_of_another_airflow_are_dropped_and_connections_pass(tmp_path: Path) -> None:
    base = {
        "AIRFLOW_HOME": "/elsewhere",
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW_CONN_OTHER": "http://x",
        "COMPLIANCE_POLICY_FILE": "policy.yaml",
        "COMPLIANCE_EVIDENCE_URL": "s3://store@bucket/evidence",
    }
    made = env.airflow_environment(tmp_path / "home", base=base)
    assert "AIRFLOW__CORE__EXECUTOR" not in made
    assert made["AIRFLOW_HOME"] == str(tmp_path / "home")
    assert made["AIRFLOW_CONN_OTHER"] == "http://x"
    assert made["COMPLIANCE_POLICY_FILE"] == "policy.yaml"
    assert made["COMPLIANCE_EVIDENCE_URL"] == "s3://store@bucket/evidence"
    assert made["COMPLIANCE_DATA_DOCS_URL"] == (env.LOCAL / "data_docs").as_uri()
    assert made["AIRFLOW__USAGE_DATA_COLLECTION__ENABLED"] == "False"


def test_secrets_are_made_once_and_readable_by_their_owner_alone(tmp_path: Path) -> None:
    first = env.airflow_environment(tmp_path, base={})
    again = env.airflow_environment(tmp_path, base={})
    names = ("AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__API__SECRET_KEY")
    assert [first[name] for name in names] == [again[name] for name in names]
    assert len(first["AIRFLOW__API_AUTH__JWT_SECRET"]) >= 64
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (env.LOCAL / "secrets").iterdir()}
    assert modes == {0o600}


def test_a_second_command_in_the_same_checkout_is_refused(tmp_path: Path) -> None:
    with only_one(tmp_path), pytest.raises(CommandError, match="is at work"), only_one(tmp_path):
        pass


def test_the_environment_of_airflow_has_the_persons_keys_or_those_that_are_kept(tmp_path: Path) -> None:
    made = env.airflow_environment(tmp_path, base={})
    assert made[env.VAULT_KEY] != made[env.WEBHOOK_KEY]
    for variable in env.OWN_KEYS:
        TokenEncryption(made[variable], CONFIGURATION)
        for given in ("", made[variable]):
            assert env.airflow_environment(tmp_path, base={variable: given})[variable] == made[variable]
