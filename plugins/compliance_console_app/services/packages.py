"""Audit packages: asked for here, made by the DAG ``audit_package``, given out from where its task wrote them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Final
from uuid import UUID, uuid4

from bitbucket_compliance.core.errors import PipelineError, one_line
from bitbucket_compliance.reporting.audit.model import AuditRequest
from bitbucket_compliance.reporting.audit.requests import ask, note_failed
from bitbucket_compliance.tasks.export_results import target_folder
from compliance_console_app.database import Connection, row, rows
from compliance_console_app.permissions import AUDIT_DAG_ID, Person
from compliance_console_app.services import audit, dag_runs

_BLOCK: Final = 1 << 20
#: What Airflow calls the states of a run, as the page tells them. Of one that has just ended its task has said more.
_STATES: Final = {"queued": "queued", "running": "under way", "success": "under way"}


class PackageUnavailable(PipelineError):
    """The zip of a package can't be given out: it is not where it was written, or not what was written there."""


@dataclass(frozen=True)
class Download:
    """A zip to be given out: its name, its size in bytes, and its content, piece by piece."""

    name: str
    size: int
    content: Iterator[bytes]


def start(connection: Connection, person: Person, request: AuditRequest) -> None:
    """Ask for a package and start the run that makes it; commits, since the run looks for what was asked for.

    Raises:
        RunNotStarted: Airflow starts none; it is noted with the package.
        PersonUnclear: the login can't be told from another one.
    """
    run_id = f"manual__audit_package_{uuid4()}"
    asked = ask(connection, request, run_id, requested_by=person.id)
    told = {
        "from": str(request.first_day),
        "to": str(request.last_day),
        "framework": request.framework,
        "people": request.people,
        "seed": request.seed,
        "frequency": request.frequency,
        "read_samples": request.read_samples,
    }
    subject = f"audit package {asked.package_id}"
    audit.record(connection, person, "audit_package.asked_for", subject, None, {"workspace": request.workspace, **told})
    connection.commit()
    try:
        dag_runs.start_audit_package(run_id, request.workspace, person, told)
    except dag_runs.RunNotStarted as refusal:
        note_failed(connection, asked.package_id, one_line(refusal))
        raise


def listed(connection: Connection, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """One page of the packages of a workspace, the newest first.

    Each has a ``state``: ``made``, ``failed``, ``queued`` or ``under way``; and ``error`` where it failed.
    """
    found = rows(connection, "controls/packages", parameters)
    waiting = [one["dag_run_id"] for one in found if one["ended_at"] is None]
    in_airflow = dag_runs.states(AUDIT_DAG_ID, waiting) if waiting else {}
    for one in found:
        if one["ended_at"] is not None:
            one["state"] = "failed" if one["error"] else "made"
            continue
        one["state"] = _STATES.get(in_airflow.get(one["dag_run_id"], ""), "failed")
        if one["state"] == "failed":
            one["error"] = "Airflow's log of the run says why"
    return found


def known(connection: Connection, workspace: str, package_id: UUID) -> dict[str, Any] | None:
    """A package of a workspace that was made; None: there is none."""
    return row(connection, "controls/package", {"workspace": workspace, "package_id": package_id})


def opened(package: dict[str, Any]) -> Download:
    """The zip of a package, from below the configured target alone, whatever the row says.

    Raises:
        PackageUnavailable: it is not there, or of another size.
        ExportRefused: no target is configured.
    """
    name = str(package["file"])
    gone = f"{name} is not where it was written, or not as it was: make the package again"
    if "/" in name or name.startswith("."):
        raise PackageUnavailable(gone)
    place = target_folder(package["folder"]) / name
    try:
        if place.stat().st_size != package["bytes"]:
            raise PackageUnavailable(gone)
        file = place.open("rb")
    except OSError as missing:
        raise PackageUnavailable(gone) from missing
    return Download(name, package["bytes"], _pieces(file))


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(_BLOCK):
            yield piece
