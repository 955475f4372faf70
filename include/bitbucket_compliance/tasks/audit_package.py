"""The body of the task of the DAG audit_package."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import uuid
from datetime import date
from pathlib import Path, PosixPath
from typing import TYPE_CHECKING, Any, Final

from bitbucket_compliance.core.database import Connection
from bitbucket_compliance.core.errors import PipelineError, one_line
from bitbucket_compliance.core.printable import printable
from bitbucket_compliance.tasks.export_results import target_folder
from bitbucket_compliance.tasks.frame import bitbucket_client, compliance_postgres, triggering_person

if TYPE_CHECKING:
    from bitbucket_compliance.reporting.audit.model import AuditRequest
    from bitbucket_compliance.reporting.audit.reads import SampleReads
    from bitbucket_compliance.reporting.audit.requests import AskedFor

log = logging.getLogger(__name__)

#: ``1``: whoever may trigger the DAG in Airflow may have a package that names people
PEOPLE: Final = "COMPLIANCE_AUDIT_PEOPLE"


def audit_package(
    workspace: str,
    first_day: str,
    last_day: str,
    seed: str,
    framework: str,
    people: str,
    target: str,
    dag_run: Any,
    frequency: str = "",
    read_samples: str = "",
) -> str:
    """Write an audit package; returns the address of its zip.

    What the console asked for it makes as the console noted it, whatever the run's parameters say. See
    ``bitbucket_compliance.reporting.audit``. An object store gets the zip alone, a folder the package beside it.

    Args:
        first_day, last_day: of the period, as 2026-03-31.
        people: ``True`` where persons are named: only where the deployment lets whoever triggers the DAG see them.
        target: at or below what ``COMPLIANCE_EXPORT_TARGET`` names; empty: there.
        dag_run: of the task.
        frequency: see ``AuditRequest``.
        read_samples: ``True`` where Bitbucket is asked of each sampled pull request.

    Raises:
        AuditRefused: a day is none, people may not be named, or see ``package``.
        ExportRefused: the target is none.
    """
    from bitbucket_compliance.reporting.audit import requests

    with compliance_postgres() as connection:
        asked = requests.asked_by_run(connection, dag_run.run_id)
        if asked is None:
            request = _typed(workspace, first_day, last_day, seed, framework, people, frequency, read_samples)
            person = triggering_person(dag_run)
            asked = requests.ask(connection, request, dag_run.run_id, requested_by=person, folder=target.strip())
            connection.commit()
        elif asked.file is not None:
            log.info("this run has already made its package: start another run for another one")
            return asked.file
        try:
            return _make(connection, asked)
        except PipelineError as error:
            if not error.retryable:
                requests.note_failed(connection, asked.package_id, one_line(error))
            raise


def _typed(
    workspace: str,
    first_day: str,
    last_day: str,
    seed: str,
    framework: str,
    people: str,
    frequency: str,
    read_samples: str,
) -> AuditRequest:
    """What the parameters of a run ask for."""
    from bitbucket_compliance.reporting.audit.model import AuditRefused, AuditRequest

    try:
        days = date.fromisoformat(first_day.strip()), date.fromisoformat(last_day.strip())
    except ValueError:
        told = printable(f"{first_day[:40]} to {last_day[:40]}")
        raise AuditRefused(f"from and to: {told}: write both days as 2026-03-31") from None
    if days[1] < days[0]:
        raise AuditRefused(f"the period ends on {days[1]}, before it begins on {days[0]}")
    if people == "True" and os.environ.get(PEOPLE, "").strip() != "1":
        raise AuditRefused(
            "Airflow does not say whether who triggers this DAG may see people: ask for a package that names them on "
            f"the console's page Controls, or have the operator of the deployment set {PEOPLE}=1"
        )
    return AuditRequest(
        workspace.strip().lower(),
        *days,
        seed.strip(),
        framework.strip(),
        people == "True",
        frequency,
        read_samples == "True",
    )


def _make(connection: Connection, asked: AskedFor) -> str:
    from bitbucket_compliance.registry.evidence_files.store import read_kept
    from bitbucket_compliance.reporting.audit.package import package
    from bitbucket_compliance.reporting.audit.requests import note_made

    folder = target_folder(asked.folder)
    reads = read_samples(connection, asked.request) if asked.request.read_samples else None
    # Only a folder of this machine can be renamed into its place; of what the console asked for it wants the zip alone.
    is_kept = isinstance(folder, PosixPath) and not asked.has_own_folder
    with tempfile.TemporaryDirectory(prefix="audit-") as own:
        made = package(connection, asked.request, folder if is_kept else Path(own), read_kept, reads)
        place = made.zip if is_kept else _sent(made.zip, folder)
        note_made(connection, asked, made, place.name)
    log.info("audit package: %s, manifest sha256 %s", place, made.manifest_sha256)
    for problem in made.problems:
        log.warning("not as it should be: %s", problem)
    return str(place)


def read_samples(connection: Connection, request: AuditRequest) -> SampleReads:
    """Ask Bitbucket of each sampled pull request; what fails is told in the package. Commits.

    Raises:
        AuditRefused: there is nothing that a package could be made of.
    """
    from bitbucket_compliance.core.airflow_errors import AirflowNotFoundException
    from bitbucket_compliance.pipeline.extract.sampled import SampledMerge, read_sampled
    from bitbucket_compliance.reporting.audit.package import check
    from bitbucket_compliance.reporting.audit.reads import SampleRead
    from bitbucket_compliance.reporting.audit.samples import draw
    from bitbucket_compliance.tasks.connected import connection_of

    check(connection, request)
    merges = [
        SampledMerge(row["repository_id"], row["repository"] or "", row["pull_request_id"], row["commit_hash"])
        for row in draw(connection, request).rows
        if row["pull_request_id"] is not None
    ]
    connection.commit()
    try:
        conn_id = connection_of(connection, request.workspace)
        with bitbucket_client(conn_id, spender=request.workspace) as client:
            found = read_sampled(connection, request.workspace, client, merges)
    except (PipelineError, AirflowNotFoundException) as error:
        connection.rollback()
        log.warning("the sample is not read: %s", one_line(error))
        unread = SampleRead(None, None, [f"not asked: {one_line(error)}"])
        return {(merge.repository_id, merge.number): unread for merge in merges}
    return {key: SampleRead(one.activity, one.statuses, one.problems, one.read_at) for key, one in found.items()}


def _sent(file: Path, folder: Path) -> Path:
    """Copy a file into a folder or an object store, which shows it when it is whole; returns where it lies."""
    place = folder / file.name.replace(".zip", f"_{uuid.uuid4().hex[:8]}.zip")
    if isinstance(folder, PosixPath):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file.open("rb") as source, place.open("wb") as copy:
        shutil.copyfileobj(source, copy, 1 << 20)
    return place
