"""The receiver reads the Airflow connection of its Postgres by itself."""

from __future__ import annotations

import json

import pytest
from psycopg.conninfo import conninfo_to_dict

from bitbucket_cloud.client.errors import ConfigurationError
from bitbucket_webhooks.address import conninfo_of

VARIABLE = "AIRFLOW_CONN_PG"
FIELDS = {"host": "db.example.com", "port": "6432", "user": "me", "password": "p@ss/w'ord", "dbname": "data"}


def read(connection: object) -> dict[str, object]:
    text = connection if isinstance(connection, str) else json.dumps(connection)
    return dict(conninfo_to_dict(conninfo_of(text, VARIABLE)))


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_a_uri_is_read_with_its_percent_encoded_characters(scheme: str) -> None:
    assert read(f"{scheme}://me:p%40ss%2Fw'ord@db.example.com:6432/data") == FIELDS


def test_json_is_read_as_airflow_writes_it() -> None:
    connection = {
        "conn_type": "postgres",
        "host": "db.example.com",
        "port": 6432,
        "login": "me",
        "password": FIELDS["password"],
        "schema": "data",
    }
    assert read(connection) == FIELDS
    for extra in ({"sslmode": "require", "cursor": "dictcursor"}, '{"sslmode": "require"}'):
        assert read({**connection, "extra": extra}) == {**FIELDS, "sslmode": "require"}


def test_what_is_left_out_is_the_usual() -> None:
    assert read("postgresql:///data?sslmode=disable&unknown=1") == {
        "host": "localhost",
        "port": "5432",
        "dbname": "data",
        "sslmode": "disable",
    }


@pytest.mark.parametrize(
    "connection", ["{", "[]", "mysql://secret@host/db", "postgresql://host:port/secret", '{"port": "secret"}']
)
def test_what_can_not_be_read_is_named_without_its_values(connection: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{VARIABLE} can't be read") as caught:
        conninfo_of(connection, VARIABLE)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("connection", ["", "  "])
def test_what_is_not_set_is_named(connection: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{VARIABLE} is not set"):
        conninfo_of(connection, VARIABLE)
