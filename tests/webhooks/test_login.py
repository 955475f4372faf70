"""The receiver's own login: made, made again, and good for nothing else."""

from __future__ import annotations

import psycopg
import pytest

from bitbucket_compliance.database.receiver_login import LOGIN, ensure_login
from local.postgres import EmbeddedPostgres


def test_the_login_is_made_and_gets_a_new_password_and_may_do_nothing_else(
    dsn: str, postgres: EmbeddedPostgres
) -> None:
    for password in ("first", "second"):
        ensure_login(dsn, password)
    name = dsn.rpartition("/")[2]
    with psycopg.connect(postgres.uri(name, LOGIN, "second")) as connection:
        connection.execute("SELECT hook_id FROM integration.webhooks")
        for statement in (
            "SELECT * FROM compliance.current_results",
            "SELECT * FROM integration.token_vault",
            "SELECT * FROM staging.repositories",
            "UPDATE integration.webhook_events SET handled_at = now()",
            "DELETE FROM integration.webhook_events",
            "SET ROLE compliance_pipeline",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(statement)  # type: ignore[arg-type]
