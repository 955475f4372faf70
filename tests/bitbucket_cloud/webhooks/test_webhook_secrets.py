"""The secrets of webhooks: made once, rotated with an overlap, sealed with keys of their own, behind a role."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from bitbucket_cloud import errors
from bitbucket_cloud.auth.encryption import TokenEncryption, WebhookEncryption
from bitbucket_cloud.key_rotation import rotate_keys
from bitbucket_cloud.webhooks.secrets.webhook_secrets import WebhookSecrets
from bitbucket_compliance.core.bitbucket import CONFIGURATION
from tests.vaulting import KEY, OTHER_KEY, database_at, rows

TABLE = "SELECT * FROM integration.webhook_secrets ORDER BY secret_id"


def secrets_at(dsn: str, keys: str = KEY) -> WebhookSecrets:
    return WebhookSecrets(database_at(dsn), WebhookEncryption(keys, CONFIGURATION))


def kept(dsn: str) -> list[Any]:
    return rows(dsn, TABLE)


def test_the_first_who_asks_makes_it_and_everybody_gets_the_same(dsn: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        got = list(pool.map(lambda _: secrets_at(dsn).current("one"), range(12)))
    assert len({(secret.secret_id, secret.value) for secret in got}) == 1
    assert len(kept(dsn)) == 1
    assert 40 <= len(got[0].value) <= 128 and got[0].value.isascii()
    assert secrets_at(dsn).current("two").value != got[0].value


def test_neither_table_nor_repr_shows_it(dsn: str) -> None:
    secret = secrets_at(dsn).current("one")
    (row,) = kept(dsn)
    assert secret.value not in str(row) and secret.value not in repr(secret)
    assert WebhookEncryption(KEY).decrypt_webhook_secret("one", row["sealed"]) == secret.value


def test_after_a_rotation_the_one_before_is_accepted_for_the_overlap(dsn: str) -> None:
    before = secrets_at(dsn).current("one")
    after = secrets_at(dsn).rotate("one", timedelta(hours=3))
    assert after.value != before.value
    assert secrets_at(dsn).current("one") == after
    old, new = kept(dsn)
    assert (old["secret_id"], new["secret_id"]) == (before.secret_id, after.secret_id)
    assert new["accepted_until"] is None
    left = old["accepted_until"] - datetime.now(UTC)
    assert timedelta(hours=2, minutes=59) < left <= timedelta(hours=3)


def test_a_day_is_the_overlap_unless_another_is_given(dsn: str) -> None:
    secrets_at(dsn).current("one")
    secrets_at(dsn).rotate("one")
    left = kept(dsn)[0]["accepted_until"] - datetime.now(UTC)
    assert timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)


def test_a_rotation_of_what_has_no_secret_makes_one(dsn: str) -> None:
    assert secrets_at(dsn).rotate("one") == secrets_at(dsn).current("one")
    assert len(kept(dsn)) == 1


def test_rotations_at_the_same_time_leave_one_current(dsn: str) -> None:
    secrets_at(dsn).current("one")
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: secrets_at(dsn).rotate("one"), range(4)))
    assert len({secret.value for secret in made}) == 4
    assert [row["secret_id"] for row in kept(dsn) if row["accepted_until"] is None] == [
        max(secret.secret_id for secret in made)
    ]


def test_forgetting_takes_all_of_one_connection_and_none_of_another(dsn: str) -> None:
    secrets_at(dsn).current("one")
    secrets_at(dsn).rotate("one")
    other = secrets_at(dsn).current("two")
    secrets_at(dsn).forget("one")
    assert [row["secret_id"] for row in kept(dsn)] == [other.secret_id]


def test_other_keys_are_changed_with_those_of_the_tokens(dsn: str) -> None:
    before = secrets_at(dsn).current("one")
    now = secrets_at(dsn).rotate("one")
    rotate_keys(database_at(dsn), TokenEncryption(KEY), WebhookEncryption(f"{OTHER_KEY},{KEY}"))
    assert secrets_at(dsn, OTHER_KEY).current("one") == now
    assert WebhookEncryption(OTHER_KEY).decrypt_webhook_secret("one", kept(dsn)[0]["sealed"]) == before.value
    with pytest.raises(errors.ConfigurationError, match="none of the keys"):
        secrets_at(dsn).current("one")


def test_where_one_secret_stays_shut_none_is_encrypted_anew(dsn: str) -> None:
    secrets_at(dsn).current("one")
    secrets_at(dsn, OTHER_KEY).current("two")
    before = kept(dsn)
    with pytest.raises(errors.ConfigurationError, match="Airflow connection two"):
        rotate_keys(database_at(dsn), TokenEncryption(KEY), WebhookEncryption(KEY))
    assert kept(dsn) == before


def test_a_secret_copied_to_another_connection_is_none(dsn: str) -> None:
    secrets_at(dsn).current("one")
    rows(dsn, "UPDATE integration.webhook_secrets SET conn_id = 'two'")
    with pytest.raises(errors.ConfigurationError, match=r"connection two was made for another one; rotate it"):
        secrets_at(dsn).current("two")


def test_a_secret_that_does_not_open_can_still_be_rotated(dsn: str) -> None:
    secrets_at(dsn, OTHER_KEY).current("one")
    assert secrets_at(dsn).rotate("one") == secrets_at(dsn).current("one")


@pytest.mark.parametrize("role", ["compliance", "compliance_pipeline", "compliance_console", "compliance_reader"])
def test_no_other_role_writes_them_and_the_pipeline_reads_none(dsn: str, role: str) -> None:
    secrets_at(dsn).current("one")
    for statement in (TABLE, "DELETE FROM integration.webhook_secrets"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            rows(dsn, statement, role=role)
