"""Whoever may edit connections in Airflow sends no secret anywhere, and reads no other workspace by a link."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from airflow.sdk import BaseHook, Connection

from bitbucket_cloud import errors
from bitbucket_cloud.auth import oauth
from bitbucket_cloud.client.client import BitbucketClient
from bitbucket_cloud.configuration import Configuration
from bitbucket_cloud.database import Database
from bitbucket_cloud.hooks.bitbucket import BitbucketHook
from bitbucket_cloud.settings import Settings
from bitbucket_compliance.core.allowed_hosts import DestinationRefused
from bitbucket_compliance.core.bitbucket import CONFIGURATION, configuration
from bitbucket_compliance.core.database import connect
from bitbucket_compliance.core.postgres_address import POSTGRES_CONNECTION, PostgresAddress
from sandbox.process import SandboxServer
from tests.security.raw_server import RawServer, ok, raw_server
from tests.vaulting import KEY, KEY_VARIABLE, vault_at

SECRET = "demo-admin-secret"
Store = Callable[..., None]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    """Connections as Airflow's own database holds them: the environment knows nothing of these."""
    stored: dict[str, Connection] = {}
    known = BaseHook.get_connection

    def keep(conn_id: str, conn_type: str, *, extra: dict[str, Any] | None = None, **fields: Any) -> None:
        monkeypatch.delenv(f"AIRFLOW_CONN_{conn_id.upper()}", raising=False)
        stored[conn_id] = Connection(conn_id=conn_id, conn_type=conn_type, extra=json.dumps(extra or {}), **fields)

    monkeypatch.setattr(BaseHook, "get_connection", staticmethod(lambda conn_id: stored.get(conn_id) or known(conn_id)))
    return keep


def bitbucket(store: Store, api: str, tokens: str, **more: Any) -> None:
    extra = {"auth": "client_credentials", "oauth_url": tokens, "retry_wait": 0, "requests_per_hour": 0, **more}
    store("bitbucket_default", "bitbucket", host=api, login="demo-admin-key", password=SECRET, extra=extra)


def allowing(*origins: str) -> Configuration:
    """The project's own, where these addresses are allowed."""
    made = configuration({"COMPLIANCE_BITBUCKET_ORIGINS": ", ".join(origins)})
    assert made.allowed_origins == origins
    return made


def thief(_: str) -> list[bytes]:
    body = json.dumps({"access_token": "stolen", "expires_in": 3600}).encode()
    return ok(f"Content-Length: {len(body)}\r\n", body)


# ------------------------------------------------------------------------------------ where secrets may go


@pytest.mark.parametrize("field", ["host", "oauth_url"])
def test_an_edited_address_gets_no_secret(field: str, store: Store, dsn: str) -> None:
    with raw_server(thief) as server:
        addresses = {"host": "https://api.bitbucket.org", "oauth_url": "https://bitbucket.org", field: server.url}
        bitbucket(store, addresses["host"], addresses["oauth_url"])
        hook = BitbucketHook(configuration=CONFIGURATION)
        for use in (lambda: hook.get_conn().get("current_user"), lambda: hook.settings):
            with pytest.raises(
                errors.ConfigurationError, match=r"COMPLIANCE_BITBUCKET_ORIGINS.*environment of Airflow"
            ):
                use()
        for works, told in (hook.check(), BitbucketHook().test_connection()):
            assert not works and SECRET not in told
        assert server.seen == []


def test_the_test_button_tests_no_address_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow hands the form over as if the environment had set it, the stored secret filled in."""
    with raw_server(thief) as server:
        form = {"conn_type": "bitbucket", "host": server.url, "login": "key", "password": SECRET}
        monkeypatch.setenv("AIRFLOW_CONN_RANDOM0123", json.dumps({**form, "extra": {"oauth_url": server.url}}))
        works, told = BitbucketHook("random0123").test_connection()
        assert not works and "no secret is sent" in told
        assert server.seen == []


@pytest.mark.parametrize(
    "disguise",
    [
        "https://api.bitbucket.org.evil.example",
        "https://evil.example/#api.bitbucket.org",
        "https://api.bitbucket.org@evil.example",
        "https://evil.example\\@api.bitbucket.org",
        "https://api.bitbucket.org:444",
        "http://api.bitbucket.org",
        "https://api。bitbucket.org",
        "https://[::ffff:127.0.0.1]",
        "//evil.example",
    ],
)
def test_no_address_passes_for_bitbuckets(disguise: str, store: Store) -> None:
    bitbucket(store, disguise, "https://bitbucket.org")
    with pytest.raises(errors.ConfigurationError):
        _ = BitbucketHook(configuration=CONFIGURATION).settings


def test_plain_http_is_for_this_machine_alone_whoever_sets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for host, is_fine in (
        ("http://127.0.0.1:1", True),
        ("http://localhost:1", True),
        ("http://[::1]:1", True),
        ("http://bitbucket.example", False),
        ("http://127.0.0.1.nip.io", False),
        ("http://2130706433", False),
    ):
        given = {"conn_type": "bitbucket", "host": host, "login": "key", "password": SECRET}
        monkeypatch.setenv("AIRFLOW_CONN_BITBUCKET_DEFAULT", json.dumps(given))
        if is_fine:
            assert BitbucketHook().settings.api_url == host
            continue
        with pytest.raises(errors.ConfigurationError, match="plain http"):
            _ = BitbucketHook().settings


def test_a_connection_of_the_environment_is_configuration(sandbox: SandboxServer, dsn: str, monkeypatch: Any) -> None:
    """The same key on another port tomorrow, as the operator of a deployment likes."""
    with SandboxServer(workload="demo") as other:
        for server in (sandbox, other):
            extra = {"oauth_url": server.url, "requests_per_hour": 0}
            given = {"conn_type": "bitbucket", "host": server.url, "login": "demo-admin-key", "password": SECRET}
            monkeypatch.setenv("AIRFLOW_CONN_BITBUCKET_DEFAULT", json.dumps({**given, "extra": extra}))
            with BitbucketHook(configuration=CONFIGURATION).get_conn() as client:
                client.get("current_user")


def test_a_key_stays_with_the_addresses_that_took_it_first(sandbox: SandboxServer, store: Store, dsn: str) -> None:
    with raw_server(thief) as server:
        both = allowing(sandbox.url, server.url)
        bitbucket(store, sandbox.url, sandbox.url)
        with BitbucketHook(configuration=both).get_conn() as client:
            client.get("current_user")
        for api, tokens in ((server.url, server.url), (sandbox.url, server.url), (server.url, sandbox.url)):
            bitbucket(store, api, tokens)
            with (
                BitbucketHook(configuration=both).get_conn() as client,
                pytest.raises(errors.ConfigurationError, match=r"sent nowhere else.*COMPLIANCE_BITBUCKET_ORIGINS"),
            ):
                client.get("current_user")
        bitbucket(store, server.url, server.url, auth="authorization_code")
        settings = BitbucketHook(configuration=both).settings
        with pytest.MonkeyPatch.context() as patch, pytest.raises(errors.ConfigurationError, match="sent nowhere else"):
            patch.setenv(KEY_VARIABLE, KEY)
            oauth.connect(settings, vault_at(dsn), "a-code", connected_by="ann")
        assert server.seen == []
        # Bitbucket moved: whoever sets the environment says so, and nobody else can.
        bitbucket(store, server.url, server.url)
        with BitbucketHook(configuration=allowing(server.url)).get_conn() as client:
            client.get("current_user")
        assert len(server.seen) == 2


def test_an_access_token_is_bound_as_well(store: Store, dsn: str) -> None:
    with raw_server(thief) as first, raw_server(thief) as second:
        both = allowing(first.url, second.url, "https://bitbucket.org")
        fields = {"login": "", "password": "a-token-0123456789", "extra": {"requests_per_hour": 0}}
        store("bitbucket_default", "bitbucket", host=first.url, **fields)
        with BitbucketHook(configuration=both).get_conn() as client:
            client.get("current_user")
        store("bitbucket_default", "bitbucket", host=second.url, **fields)
        with (
            BitbucketHook(configuration=both).get_conn() as client,
            pytest.raises(errors.ConfigurationError, match="sent nowhere else"),
        ):
            client.get("current_user")
        assert len(first.seen) == 1 and second.seen == []


# -------------------------------------------------------------------------------------- where links may lead


def test_a_next_link_reads_no_other_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    def page(request: str, server: list[RawServer]) -> list[bytes]:
        body = json.dumps({"values": [], "next": f"{server[0].url}/2.0/repositories/other?page=2"}).encode()
        return ok(f"Content-Length: {len(body)}\r\n", body)

    known: list[RawServer] = []
    with raw_server(lambda request: page(request, known)) as server:
        known.append(server)
        settings = Settings("bb", auth="access_token", password="a-token-0123456789", api_url=server.url)
        with BitbucketClient(settings) as client, pytest.raises(errors.EndpointNotAllowed, match="leads away"):
            client.paginate("repositories", workspace="acme")
        assert len(server.seen) == 1


# ------------------------------------------------------------------------------------------------ Postgres


@pytest.mark.parametrize(
    "extra",
    [
        {"hostaddr": "192.0.2.7"},
        {"service": "mine"},
        {"passfile": "/opt/airflow/evidence/mine"},
        {"sslkey": "/etc/passwd"},
        {"host": "evil.example"},
        {"dbname": "host=evil.example"},
        {"options": "-c search_path=evil"},
        {"krbsrvname": "x"},
    ],
    ids=lambda extra: next(iter(extra)),
)
def test_a_stored_database_has_harmless_options_alone(
    extra: dict[str, str], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPLIANCE_ALLOWED_HOSTS", "db.example.com:5432")
    fields = {"host": "db.example.com", "login": "compliance", "password": "hidden-word", "schema": "compliance"}
    store("compliance_postgres", "postgres", extra=extra, **fields)
    with pytest.raises(DestinationRefused, match=f"extra {next(iter(extra))} .*{POSTGRES_CONNECTION}") as refused:
        connect()
    assert "hidden-word" not in str(refused.value)
    harmless = {
        "sslmode": "require",
        "application_name": "x y",
        "cursor": "dictcursor",
        "sqlalchemy_query": {"host": "e"},
    }
    store("compliance_postgres", "postgres", extra=harmless, **fields)
    dsn = PostgresAddress.of_connection("compliance_postgres").dsn
    assert psycopg.conninfo.conninfo_to_dict(dsn) == {
        "host": "db.example.com",
        "port": "5432",
        "user": "compliance",
        "password": "hidden-word",
        "dbname": "compliance",
        "sslmode": "require",
        "application_name": "x y",
    }


def test_a_stored_database_leads_to_allowed_hosts_alone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"login": "compliance", "password": "hidden-word", "schema": "compliance"}
    with raw_server(lambda _: ()) as server:
        for host in ("127.0.0.1", "127.0.0.1,db.example.com", "/tmp", ""):  # noqa: S108 - a socket's folder
            store("compliance_postgres", "postgres", host=host, port=server.port, **fields)
            monkeypatch.setenv("COMPLIANCE_ALLOWED_HOSTS", "db.example.com")
            for use in (connect, database_of_the_vault):
                with pytest.raises((DestinationRefused, errors.DatabaseUnavailable)):
                    use()
        assert server.seen == []


def database_of_the_vault() -> None:
    Database.from_airflow(CONFIGURATION).connect()


def test_the_environments_database_has_every_option(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(POSTGRES_CONNECTION, f"{dsn}?hostaddr=127.0.0.1&options=-c%20geqo_threshold%3D7")
    with connect() as connection:
        assert connection.execute("SHOW geqo_threshold").fetchall() == [{"geqo_threshold": "7"}]
