"""`demo` and `run`: runs of the pipeline's DAGs in a child process, without a scheduler."""

from __future__ import annotations

import os
import sys
import time
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
DEMO_FILES: Final = {"roster": "roster.csv", "classification": "classification.csv"}
DEMO_EXPORT: Final = "mfa_export.csv"


@command("demo", "run the whole pipeline once against the bundled sandbox and print the results", GRANT)
def demo(grant: str) -> int:
    """Embedded Postgres, sandbox, the demo's declared data, one run. A user's connections are not touched."""
    data = env.ROOT / "include" / "sandbox" / "demo_data"
    imports = [
        Job("registry_import", {"kind": kind, "path": str(data / name), "imported_by": operator()})
        for kind, name in DEMO_FILES.items()
    ]
    with Services(sandbox_grant=grant) as services:
        jobs = [*imports, _run_job(env.DEMO_WORKSPACE)]
        return _execute(jobs, services, ignore_user=True, export=data / DEMO_EXPORT)


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
        return _execute([_run_job(workspace, full_refresh=full_refresh)], services)


def _run_job(workspace: str, *, full_refresh: bool = False) -> Job:
    return Job(RUN_DAG, {"workspace": workspace, "full_refresh": full_refresh})


def _execute(jobs: list[Job], services: Services, *, ignore_user: bool = False, export: Path | None = None) -> int:
    """Prepare, run the jobs, the last of which judges, and print what came of them; the exit code.

    Args:
        export: a two-step verification export that the operator vouches for, as with `make import MFA=`.
    """
    began = time.monotonic()
    home = env.LOCAL / "airflow"
    log_file = _new_log_file()
    with only_one(home):
        connections = usable(services.connections(ignore_user=ignore_user))
        migrate_airflow(home, log_file)
        print(f"log: {_short(log_file)}", flush=True)
        if export:
            _vouch_for(export, connections)
        outcome = run_dags(jobs, connections, home, log_file)
        if outcome.succeeded:
            _print_results(jobs[-1], outcome, connections, time.monotonic() - began, log_file)
            return 0
    print(f"error: {outcome.reason}", file=sys.stderr)
    return 1


def _vouch_for(export: Path, connections: Connections) -> None:
    from bitbucket_compliance.registry.imports import import_file

    with environment_of(connections), database() as connection:
        import_file(connection, "mfa", export, imported_by=operator(), is_vouched_for=True)


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
