"""One stack of all services for the session, as a team has one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from local.postgres import EmbeddedPostgres
from sandbox.process import SandboxServer
from tests.conftest import HURRIED
from tests.databases import create
from tests.faults.two_workers import WORKSPACE, Runs
from tests.faults.worker import Worker
from tests.harness import bitbucket_connection
from tests.pipeline.small import FAST
from tests.reporting.notifications.receivers import WebReceiver, web_receiver
from tests.server_lock.environment import server_programs
from tests.workers.stack import Stack
from tests.workers.story import BESIDE, Story, two_workspaces

#: shorter than those of docker-compose.yaml, so that no test waits for minutes
TIMES = {
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "15",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    # Nobody changes a DAG meanwhile.
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
}
#: of a run, before people are told that it is late
DEADLINE_SECONDS = 45


@pytest.fixture(scope="session")
def alerts() -> Iterator[WebReceiver]:
    """Whom alerts are sent to."""
    with web_receiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def story(_postgres_folder: Path, tmp_path_factory: pytest.TempPathFactory, alerts: WebReceiver) -> Iterator[Story]:
    """All services at work, and two workspaces in the sandbox."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed: apt-get install redis-server")
    state, folder = two_workspaces(), tmp_path_factory.mktemp("stack")
    with ExitStack() as stack:
        server = stack.enter_context(SandboxServer(state))
        postgres = EmbeddedPostgres(_postgres_folder / "workers", {**HURRIED, "max_connections": "200"})
        stack.callback(postgres.delete)
        postgres.start()
        extra = {**FAST, "requests_per_hour": 0, "workspaces": [WORKSPACE, BESIDE]}
        bitbucket = json.dumps(bitbucket_connection(server.url, "admin", **extra))
        services = Stack(
            folder,
            postgres,
            server_programs(),
            {
                "AIRFLOW_CONN_BITBUCKET_DEFAULT": bitbucket,
                "COMPLIANCE_BITBUCKET_ORIGINS": server.url,
                "AIRFLOW_WORKER_CONCURRENCY": "2",
                "COMPLIANCE_RUN_DEADLINE_HOURS": str(DEADLINE_SECONDS / 3600),
                "COMPLIANCE_NOTIFY_CONN_ID": "told",
                "COMPLIANCE_NOTIFY_DIGEST": "daily",
            },
            {
                **TIMES,
                "AIRFLOW_CONN_TOLD": json.dumps({"conn_type": "http", "host": f"http://127.0.0.1:{alerts.port}"}),
            },
        )
        stack.callback(services.stop)
        services.prepare()
        create(postgres, "quiet", "compliance")
        quiet_dsn = postgres.uri("quiet")
        environment = {
            "AIRFLOW_CONN_COMPLIANCE_POSTGRES": quiet_dsn,
            "AIRFLOW_CONN_BITBUCKET_DEFAULT": bitbucket,
            "COMPLIANCE_VAULT_KEY": Fernet.generate_key().decode(),
        }
        worker = Worker(folder / "quiet", environment, gates=False)
        stack.callback(worker.end)
        services.start()
        yield Story(services, state, Runs(quiet_dsn, [worker]), quiet_dsn)
