"""`demo` and `run`: runs of the pipeline's DAGs in a child process, without a scheduler."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bitbucket_compliance.commands.command_line import CommandError, Flag, command, switch, workspace
from bitbucket_compliance.commands.environment import database, operator
from local import environment as env
from local.airflow_run import Job, Outcome, run_dags
from local.report import read_report, render_report, render_times
from local.services import GRANT, Connections, Services, environment_of, migrate_airflow, only_one, usable

RUN_DAG: Final = "bitbucket_compliance"
DEMO_FILES: Final = {"roster": "roster.csv", "classification": "classification.csv", "mfa": "mfa_export.csv"}


@command("demo", "run the whole pipeline once against the bundled sandbox and print the results", GRANT)
def demo(grant: str) -> int:
    """Embedded Postgres, sandbox, the demo's declared data, one run. A user's connections are not touched."""
    with Services(sandbox_grant=grant) as services:
        return _execute(_run_job(env.DEMO_WORKSPACE), services, ignore_user=True, declared=DEMO_FILES)


@command(
    "run",
    "judge one workspace",
    Flag("workspace", "slug", "slug or uuid", workspace, required=True),
    Flag("full-refresh", "1", "read unchanged repositories too", switch, default=False, bare=True),
    GRANT,
)
def run(workspace: str, full_refresh: bool, grant: str) -> int:
    """One run of one workspace against whatever the two connections name."""
    with Services(sandbox_grant=grant) as services:
        return _execute(_run_job(workspace, full_refresh=full_refresh), services)


def _run_job(workspace: str, *, full_refresh: bool = False) -> Job:
    return Job(RUN_DAG, {"workspace": workspace, "full_refresh": full_refresh})


def _execute(
    job: Job, services: Services, *, ignore_user: bool = False, declared: Mapping[str, str] | None = None
) -> int:
    """Prepare, run the job, which judges, and print what came of it; the exit code.

    Args:
        declared: by kind, files of the demo that the operator declares before, as with `make import`.
    """
    began = time.monotonic()
    home = env.LOCAL / "airflow"
    log_file = _new_log_file()
    with only_one(home):
        connections = usable(services.connections(ignore_user=ignore_user))
        migrate_airflow(home, log_file)
        print(f"log: {_short(log_file)}", flush=True)
        _declare(declared or {}, connections)
        outcome = run_dags([job], connections, home, log_file)
        if outcome.succeeded:
            _print_results(job, outcome, connections, time.monotonic() - began, log_file)
            return 0
    print(f"error: {outcome.reason}", file=sys.stderr)
    return 1


def _declare(files: Mapping[str, str], connections: Connections) -> None:
    from bitbucket_compliance.registry.imports import import_file

    with environment_of(connections):
        for kind, name in files.items():
            path = env.ROOT / "include" / "sandbox" / "demo_data" / name
            with database() as connection:
                print(import_file(connection, kind, path, imported_by=operator(), is_vouched_for=True), flush=True)


def _new_log_file() -> Path:
    folder = env.LOCAL / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}-run.log"


def _short(path: Path) -> Path:
    return path.relative_to(env.ROOT) if path.is_relative_to(env.ROOT) else path


def _print_results(job: Job, outcome: Outcome, connections: Connections, total: float, log_file: Path) -> None:
    report = read_report(connections.address.dsn, job.conf["workspace"])
    if report is None:
        raise CommandError(f"nothing was published for {job.conf['workspace']} (log: {log_file})")
    print()
    print(render_report(report))
    print(render_times(total, outcome.seconds[RUN_DAG], report.work_seconds))
    print(f"log: {_short(log_file)}")
    if connections.postgres_is_embedded:
        print("look closer: make psql SQL=\"SELECT * FROM compliance.current_results WHERE status = 'failing'\"")
    else:
        print("look closer: table compliance.current_results in the database of compliance_postgres")
