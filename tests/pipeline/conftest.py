"""What the tests of this folder share besides the common fixtures."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from local.postgres import EmbeddedPostgres
from local.postgres_cluster import ADMIN_ROLE


@pytest.fixture(scope="session", autouse=True)
def _hurried_postgres(postgres: EmbeddedPostgres) -> Iterator[None]:
    """A database that lives as long as one test need not be kept safe from crashes, nor be tidied up.

    Tidying would get in the way, too: a login that is no superuser can't drop a database while autovacuum works in it.
    """
    with psycopg.connect(postgres.uri("postgres", ADMIN_ROLE), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET autovacuum = off")
        connection.execute("ALTER SYSTEM SET full_page_writes = off")
        connection.execute("SELECT pg_reload_conf()")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGOPTIONS", "-c synchronous_commit=off")
        yield
