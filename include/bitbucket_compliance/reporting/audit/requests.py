"""Packages that somebody asked for in the console or by the DAG ``audit_package``, and what came of each.

Whoever asks in the console is known by permissions: a row that the console wrote is the one thing that a task believes
about who may see people. The task finds it by the id of its own run, which nobody can choose afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

from bitbucket_compliance.core.database import Connection
from bitbucket_compliance.reporting.audit.model import AuditRequest
from bitbucket_compliance.reporting.audit.package import Packaged


@dataclass(frozen=True)
class AskedFor:
    """A package that was asked for.

    Attributes:
        dag_run_id: the run that makes it.
        request: what it shall hold.
        folder: where its zip is written, below ``COMPLIANCE_EXPORT_TARGET``; empty: there.
        file: name of its zip there; None: it was not made.
    """

    package_id: UUID
    dag_run_id: str
    request: AuditRequest
    folder: str
    file: str | None

    @property
    def has_own_folder(self) -> bool:
        """Whether its folder holds nothing else: so it is where the console asked."""
        return self.folder == _own_folder(self.package_id)


def _own_folder(package_id: UUID) -> str:
    return f"audit_packages/{package_id}"


def ask(
    connection: Connection, request: AuditRequest, dag_run_id: str, *, requested_by: str, folder: str | None = None
) -> AskedFor:
    """Note that somebody asks for a package; joins the caller's transaction.

    Args:
        requested_by: see ``core.persons``.
        folder: None: one of its own.
    """
    package_id = uuid4()
    asked = AskedFor(package_id, dag_run_id, request, _own_folder(package_id) if folder is None else folder, None)
    connection.execute(
        "INSERT INTO integration.audit_packages"
        " (package_id, dag_run_id, workspace, first_day, last_day, seed, framework, people, frequency, read_samples,"
        " requested_by, folder)"
        " VALUES (%(package_id)s, %(dag_run_id)s, %(workspace)s, %(first_day)s, %(last_day)s, %(seed)s, %(framework)s,"
        " %(people)s, %(frequency)s, %(read_samples)s, %(requested_by)s, %(folder)s)",
        {**vars(request), **vars(asked), "requested_by": requested_by},
    )
    return asked


def asked_by_run(connection: Connection, dag_run_id: str) -> AskedFor | None:
    """The package that a run is to make; None: nobody asked for one before it began."""
    found = connection.execute(
        "SELECT package_id, workspace, first_day, last_day, seed, framework, people, frequency, read_samples,"
        " folder, file"
        " FROM integration.audit_packages WHERE dag_run_id = %s",
        (dag_run_id,),
    ).fetchone()
    if found is None:
        return None
    package_id, folder, file = (found.pop(name) for name in ("package_id", "folder", "file"))
    return AskedFor(package_id, dag_run_id, AuditRequest(**found), folder, file)


def note_made(connection: Connection, asked: AskedFor, made: Packaged, file: str) -> None:
    """Note as which file the zip of a package was written; commits."""
    connection.execute(
        "UPDATE integration.audit_packages SET ended_at = clock_timestamp(), error = null, file = %s, bytes = %s,"
        " manifest_sha256 = %s, problems = %s WHERE package_id = %s",
        (file, made.zip.stat().st_size, made.manifest_sha256, list(made.problems), asked.package_id),
    )
    connection.commit()


def note_failed(connection: Connection, package_id: UUID, why: str) -> None:
    """Note that a package was not made, and why; what was not committed before is lost."""
    connection.rollback()
    connection.execute(
        "UPDATE integration.audit_packages SET ended_at = clock_timestamp(), error = %s WHERE package_id = %s",
        (why, package_id),
    )
    connection.commit()
