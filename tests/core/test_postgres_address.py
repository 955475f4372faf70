"""Where the data's Postgres is, out of an Airflow connection in the environment."""

from __future__ import annotations

import json

import pytest

from bitbucket_compliance.core.postgres_address import POSTGRES_CONNECTION, ConnectionUnreadable, PostgresAddress

USERS_POSTGRES = "postgresql://someone:s%40fe%2Fword@db.example.com:6543/results?sslmode=require"


@pytest.mark.parametrize(
    "value",
    [
        USERS_POSTGRES,
        USERS_POSTGRES.replace("postgresql:", "postgres:"),
        json.dumps(
            {
                "conn_type": "postgres",
                "host": "db.example.com",
                "port": "6543",
                "login": "someone",
                "password": "s@fe/word",
                "schema": "results",
                "extra": {"sslmode": "require", "unknown_to_libpq": 1},
            }
        ),
    ],
)
def test_a_connection_is_read_as_uri_and_as_json(value: str) -> None:
    address = PostgresAddress.from_airflow(value)
    assert (address.host, address.port, address.password) == ("db.example.com", 6543, "s@fe/word")
    assert address.dsn == USERS_POSTGRES


@pytest.mark.parametrize("value", ["mysql://u:hidden@h/d", "{not json hidden", "postgresql://u:hidden@h:port/d"])
def test_an_unreadable_connection_is_named_without_its_password(value: str) -> None:
    with pytest.raises(ConnectionUnreadable, match=POSTGRES_CONNECTION) as refused:
        PostgresAddress.from_airflow(value)
    assert "hidden" not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("environment", [{}, {POSTGRES_CONNECTION: ""}])
def test_a_connection_that_is_not_set_is_named(environment: dict[str, str]) -> None:
    with pytest.raises(ConnectionUnreadable, match=f"{POSTGRES_CONNECTION} is not set"):
        PostgresAddress.from_environment(environment)
