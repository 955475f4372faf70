"""The commands behind the Makefile, one function each; they return an exit code."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from local import connect as grants
from local import dashboard, web
from local import environment as env
from local.airflow_run import Job, Outcome, run_dags
from local.evidence import Handed, evidence, review_evidence
from local.exceptions import Wish, exception, review_exception
from local.explain import explain
from local.export import export
from local.policy import POLICY_USAGE, policy, unclassify
from local.postgres import PostgresNotStarted
from local.receiver import receiver
from local.report import read_report, render_report, render_times
from local.services import (
    Connections,
    LocalError,
    Services,
    embedded_postgres,
    migrate_airflow,
    migrate_compliance,
    only_one,
    require_postgres,
)
from local.webhooks import webhooks

RUN_DAG: Final = "bitbucket_compliance"
IMPORT_DAG: Final = "registry_import"
IMPORT_KINDS: Final = ("roster", "classification", "mfa")
DEMO_FILES: Final = {"roster": "roster.csv", "classification": "classification.csv", "mfa": "mfa_export.csv"}

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_UUID = re.compile(r"\{?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}?", re.IGNORECASE)

RUN_USAGE: Final = "usage: make run WORKSPACE=slug (what follows bitbucket.org/ in its address, or its uuid)"
IMPORT_USAGE: Final = "usage: make import ROSTER=file.csv CLASSIFICATION=file.csv MFA=export.csv (at least one)"


REVIEW_USAGE: Final = (
    "usage: make review EVIDENCE=id DECISION=accept|reject|withdraw [REASON='why'], or with EXCEPTION=id"
)


class Usage(LocalError):
    """A command was called in a way that can't work."""


def expected_errors() -> tuple[type[Exception], ...]:
    """Errors whose message is the line a user should read."""
    from bitbucket_cloud.client.errors import BitbucketError
    from bitbucket_compliance.core.errors import PipelineError

    return (LocalError, PostgresNotStarted, env.ConnectionUnreadable, PipelineError, BitbucketError)


def run_command(options: argparse.Namespace) -> int:
    """Do what the parsed command line says."""
    todo: dict[str, Callable[[], int]] = {
        "demo": lambda: demo(options.grant),
        "run": lambda: run(options.workspace, options.grant, full_refresh=is_yes(options.full_refresh)),
        "import": lambda: import_files(
            _files(options), options.captured_on, roster_jobs(options.roster_sql, options.query, options.roster_scim)
        ),
        "policy": lambda: policy(valid_workspace(options.workspace, POLICY_USAGE), options.file, options.reason),
        "unclassify": lambda: unclassify(options.target_type, options.target, options.workspace),
        "evidence": lambda: evidence(Handed.of(options)),
        "exception": lambda: exception(Wish.of(options)),
        "review": lambda: review(options),
        "connect": lambda: grants.connect(options.port),
        "rotate-vault-key": grants.rotate_vault_key,
        "receiver": lambda: receiver(options.port),
        "webhooks": lambda: webhooks(options.action, options.workspace, options.reactivate),
        "up": lambda: web.up(options.grant),
        "down": web.down,
        "dashboard": lambda: dashboard.dashboard(options.port, setup_only=options.setup_only),
        "dashboard-down": dashboard.down,
        "dashboard-export": dashboard.export,
        "explain": lambda: explain(options.test, options.subject, options.at, options.workspace),
        "export": lambda: export(options.format, options.workspace, options.at, options.run, options.out),
        "upgrade": upgrade,
        "psql": lambda: psql(options.sql),
        "clean": clean,
    }
    return todo[options.command]()


def _files(options: argparse.Namespace) -> dict[str, str]:
    return {kind: getattr(options, kind) for kind in IMPORT_KINDS if getattr(options, kind)}


def review(options: argparse.Namespace) -> int:
    """Decide on what somebody asked for."""
    if bool(options.evidence) == bool(options.exception) or not options.decision:
        raise Usage(REVIEW_USAGE)
    if options.evidence:
        return review_evidence(options.evidence, options.decision, options.reason)
    return review_exception(options.exception, options.decision, options.reason)


def demo(grant: str) -> int:
    """Embedded Postgres, sandbox, the demo's declared data, one run. A user's connections are not touched."""
    data = env.ROOT / "include" / "sandbox" / "demo_data"
    jobs = [_import_job(kind, data / name, None) for kind, name in DEMO_FILES.items()]
    with Services(sandbox_grant=grant) as services:
        return _execute([*jobs, _run_job(env.DEMO_WORKSPACE)], services, ignore_user=True)


def run(workspace: str, grant: str, *, full_refresh: bool = False) -> int:
    """One run of one workspace against whatever the two connections name."""
    workspace = valid_workspace(workspace)
    with Services(sandbox_grant=grant) as services:
        return _execute([_run_job(workspace, full_refresh=full_refresh)], services)


def is_yes(value: str) -> bool:
    """Whether a switch given on the command line is on.

    Raises:
        Usage: it is neither on nor off.
    """
    word = value.strip().lower()
    if word in ("1", "true", "yes", "on"):
        return True
    if word in ("", "0", "false", "no", "off"):
        return False
    raise Usage(f"FULL_REFRESH={value}: write 1 to read every repository again, or leave it out")


def import_files(files: dict[str, str], captured_on: str = "", others: Sequence[Job] = ()) -> int:
    """Import CSV files, and what ``others`` import, into the registry, each all or nothing."""
    if others and "roster" in files:
        raise Usage("there is one roster: give ROSTER, ROSTER_SQL or ROSTER_SCIM, not several")
    jobs = [*others, *(import_jobs(files, captured_on) if files or not others else [])]
    with Services() as services:
        return _execute(jobs, services)


def valid_workspace(workspace: str, usage: str = RUN_USAGE) -> str:
    """The workspace's slug or uuid; Usage where it can't be one."""
    workspace = workspace.strip()
    if not workspace:
        raise Usage(usage)
    if not (_SLUG.fullmatch(workspace) or _UUID.fullmatch(workspace)):
        raise Usage(f"{workspace!r} is no workspace slug or uuid; {usage}")
    return workspace


def import_jobs(files: dict[str, str], captured_on: str = "") -> list[Job]:
    """One job a file; every file is looked at before anything starts."""
    if not files:
        raise Usage(IMPORT_USAGE)
    if captured_on and not _is_date(captured_on):
        raise Usage(f"CAPTURED_ON={captured_on} is no date: write it as 2026-03-31, not later than today")
    jobs = []
    for kind in IMPORT_KINDS:
        if kind in files:
            path = Path(files[kind]).expanduser().absolute()
            if not path.is_file():
                raise Usage(f"{kind.upper()}={files[kind]}: there is no such file")
            if not os.access(path, os.R_OK):
                raise Usage(f"{kind.upper()}={files[kind]}: the file can't be read")
            jobs.append(_import_job(kind, path, captured_on or None))
    return jobs


def roster_jobs(sql: str, query: str, scim: str) -> list[Job]:
    """The roster from a query or a directory; nothing where neither connection is named.

    Raises:
        Usage: both are named, or a query without its file.
    """
    if sql and scim:
        raise Usage("there is one roster: give ROSTER_SQL or ROSTER_SCIM, not both")
    if bool(sql) != bool(query):
        raise Usage("usage: make import ROSTER_SQL=connection QUERY=file.sql")
    if sql:
        path = Path(query).expanduser().absolute()
        if not path.is_file():
            raise Usage(f"QUERY={query}: there is no such file")
        return [_roster_job(source="sql", conn_id=sql, query_file=str(path))]
    return [_roster_job(source="scim", conn_id=scim)] if scim else []


def _roster_job(**source: str) -> Job:
    return Job(IMPORT_DAG, {"kind": "roster", **source, "imported_by": env.operator()})


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text) <= datetime.now(UTC).date()
    except ValueError:
        return False


def _import_job(kind: str, path: Path, captured_on: str | None) -> Job:
    day = captured_on if kind == "mfa" else None
    return Job(IMPORT_DAG, {"kind": kind, "path": str(path), "captured_on": day, "imported_by": env.operator()})


def _run_job(workspace: str, *, full_refresh: bool = False) -> Job:
    return Job(RUN_DAG, {"workspace": workspace, "full_refresh": full_refresh})


def _execute(jobs: list[Job], services: Services, *, ignore_user: bool = False) -> int:
    """Prepare, run the jobs, print what came of them; the exit code."""
    began = time.monotonic()
    home = env.LOCAL / "airflow"
    log_file = _new_log_file(jobs[-1])
    judges = jobs[-1].dag_id == RUN_DAG
    with only_one(home):
        connections = services.connections(ignore_user=ignore_user, needs_bitbucket=judges)
        require_postgres(connections)
        migrate_compliance(connections)
        migrate_airflow(home, log_file)
        print(f"log: {_short(log_file)}", flush=True)
        outcome = run_dags(jobs, connections, home, log_file)
        if judges and outcome.succeeded:
            _print_results(jobs[-1], outcome, connections, time.monotonic() - began, log_file)
    if outcome.succeeded:
        return 0
    if outcome.refused:
        count = len(outcome.refused)
        print(f"error: import refused, {count} problems; nothing of that file was taken", file=sys.stderr)
    else:
        print(f"error: {outcome.reason}", file=sys.stderr)
    return 1


def _new_log_file(job: Job) -> Path:
    folder = env.LOCAL / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    name = "run" if job.dag_id == RUN_DAG else "import"
    return folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}-{name}.log"


def _short(path: Path) -> Path:
    return path.relative_to(env.ROOT) if path.is_relative_to(env.ROOT) else path


def _print_results(job: Job, outcome: Outcome, connections: Connections, total: float, log_file: Path) -> None:
    report = read_report(connections.address.dsn, job.conf["workspace"])
    if report is None:
        raise LocalError(f"nothing was published for {job.conf['workspace']} (log: {log_file})")
    print()
    print(render_report(report))
    print(render_times(total, outcome.seconds[RUN_DAG], report.work_seconds))
    print(f"log: {_short(log_file)}")
    if connections.postgres_is_embedded:
        print("look closer: make psql SQL=\"SELECT * FROM compliance.current_results WHERE status = 'failing'\"")
    else:
        print("look closer: table compliance.current_results in the database of compliance_postgres")


def upgrade() -> int:
    """Bring the data's Postgres to the schema of this version."""
    with Services() as services:
        connections = services.connections(needs_bitbucket=False)
        require_postgres(connections)
        migrate_compliance(connections)
    print("compliance schema is current")
    return 0


def psql(sql: str) -> int:
    """The wheel's psql on the embedded database; with `sql`, one statement."""
    with embedded_postgres() as postgres:
        address = env.PostgresAddress.from_airflow(postgres.uri())
        # The password travels in the environment: a process list shows the arguments of every program.
        login = {
            "PGHOST": address.host,
            "PGPORT": str(address.port),
            "PGUSER": address.user,
            "PGPASSWORD": address.password,
            "PGDATABASE": address.database,
        }
        command = [str(postgres.psql), "--set=ON_ERROR_STOP=1", *(["--command", sql] if sql else [])]
        return subprocess.run(command, env=os.environ | login, check=False).returncode


def clean() -> int:
    """Stop everything and remove `.local`."""
    dashboard.down()
    web.down()
    embedded_postgres().delete()
    shutil.rmtree(env.LOCAL, ignore_errors=True)
    return 0
