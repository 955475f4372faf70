"""The body of the task of the DAG audit_package."""

from __future__ import annotations

import logging
import shutil
import tempfile
import uuid
from datetime import date
from pathlib import Path, PosixPath

from bitbucket_compliance.core.printable import printable
from bitbucket_compliance.tasks.export_results import target_folder
from bitbucket_compliance.tasks.frame import compliance_postgres

log = logging.getLogger(__name__)


def audit_package(
    workspace: str, first_day: str, last_day: str, seed: str, framework: str, people: str, target: str
) -> str:
    """Write an audit package; returns the address of its zip.

    See ``bitbucket_compliance.reporting.audit``. An object store gets the zip alone, a folder the package beside it.

    Args:
        first_day, last_day: of the period, as 2026-03-31.
        people: ``True`` where persons are named.
        target: at or below what ``COMPLIANCE_EXPORT_TARGET`` names; empty: there.

    Raises:
        AuditRefused: a day is none, or see ``package``.
        ExportRefused: the target is none.
    """
    from bitbucket_compliance.registry.evidence_files.store import read_kept
    from bitbucket_compliance.reporting.audit.model import AuditRefused, AuditRequest
    from bitbucket_compliance.reporting.audit.package import package

    with tempfile.TemporaryDirectory(prefix="audit-") as own, compliance_postgres() as connection:
        try:
            days = date.fromisoformat(first_day.strip()), date.fromisoformat(last_day.strip())
        except ValueError:
            told = printable(f"{first_day[:40]} to {last_day[:40]}")
            raise AuditRefused(f"from and to: {told}: write both days as 2026-03-31") from None
        request = AuditRequest(workspace.strip().lower(), *days, seed.strip(), framework.strip(), people == "True")
        folder = target_folder(target.strip())
        # Only a folder of this machine can be renamed into its place.
        is_local = isinstance(folder, PosixPath)
        made = package(connection, request, folder if is_local else Path(own), read_kept)
        address = str(made.zip) if is_local else _sent(made.zip, folder)
    log.info("audit package: %s, manifest sha256 %s", address, made.manifest_sha256)
    for problem in made.problems:
        log.warning("not as it should be: %s", problem)
    return address


def _sent(file: Path, folder: Path) -> str:
    """Copy a file into an object store, which shows it when it is whole; returns its address."""
    place = folder / file.name.replace(".zip", f"_{uuid.uuid4().hex[:8]}.zip")
    with file.open("rb") as source, place.open("wb") as copy:
        shutil.copyfileobj(source, copy, 1 << 20)
    return str(place)
