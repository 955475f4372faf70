"""What the dashboard's tests and its screenshots look at: the demo workspace with a past, and Superset over it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from bitbucket_compliance.reporting.dashboards.login import ensure_login
from local.dashboard import PAGE, SUPERSET
from local.processes import end, free_port
from local.superset import Superset
from sandbox.process import SandboxServer
from tests.harness import Pipeline, bitbucket_connection, without_gates

PAST = Path(__file__).parent / "past.sql"
CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def fill(dsn: str, *, gates: bool = False) -> None:
    """Judge the demo workspace once in the migrated database at ``dsn``, and give it two months of a past."""
    slow = contextlib.nullcontext() if gates else without_gates()
    with pytest.MonkeyPatch.context() as patch, slow, SandboxServer(workload="demo") as server:

        def connect_to(sandbox: SandboxServer, grant: str = "admin", **extra: object) -> None:
            connection = bitbucket_connection(sandbox.url, grant, **extra)
            patch.setenv("AIRFLOW_CONN_BITBUCKET_DEFAULT", json.dumps(connection))

        patch.setenv("AIRFLOW_CONN_COMPLIANCE_POSTGRES", dsn)
        pipeline = Pipeline(dsn, connect_to)
        pipeline.take_demo()
        pipeline.run(server, gates=gates)
    with psycopg.connect(dsn) as connection:
        connection.execute(PAST.read_text(encoding="utf-8"))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Served:
    """A running Superset."""

    url: str
    superset: Superset

    @property
    def page(self) -> str:
        """Address of the dashboard."""
        return self.url + PAGE


@contextlib.contextmanager
def served(dsn: str, home: Path) -> Iterator[Served]:
    """Superset over the results at ``dsn``, with everything it keeps below ``home``."""
    home.mkdir(parents=True, exist_ok=True)
    superset = Superset(
        home=home / "superset",
        results=ensure_login(dsn, "reader-password"),
        secret_key="a key that lives as long as these tests",
        admin_password="admin-password",
        viewer_password="viewer-password",
        log=home / "superset.log",
    )
    superset.prepare()
    port = free_port()
    server = superset.serve(port)
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 90
        while not SUPERSET.is_healthy(url):
            assert server.poll() is None and time.monotonic() < deadline, superset.log.read_text()[-2000:]
            time.sleep(0.3)
        yield Served(url, superset)
    finally:
        end(server.pid)
        server.wait()
