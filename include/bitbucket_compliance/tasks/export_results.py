"""The body of the task of the DAG export_results."""

import re
from pathlib import Path
from typing import Final, cast
from urllib.parse import unquote, urlsplit

from bitbucket_compliance.core.configured_folders import place
from bitbucket_compliance.core.errors import one_line
from bitbucket_compliance.core.printable import printable
from bitbucket_compliance.reporting.exports.model import ExportRefused
from bitbucket_compliance.tasks.frame import compliance_postgres

TARGET: Final = "COMPLIANCE_EXPORT_TARGET"
_FOLDERS = re.compile(r"(?:/[A-Za-z0-9_=-][A-Za-z0-9._=-]*)*/?")


def export_results(name: str, workspace: str, at: str, run_id: str, target: str) -> list[str]:
    """Write an export of the format ``name``; returns the addresses of the files.

    See ``bitbucket_compliance.reporting.exports``; an empty text means that nothing was asked for.

    Args:
        target: at or below what ``COMPLIANCE_EXPORT_TARGET`` names; empty: there.
    """
    from bitbucket_compliance.reporting.exports.export import export
    from bitbucket_compliance.reporting.exports.snapshot.read import ExportRequest

    with compliance_postgres() as connection:
        folder = target_folder(target.strip())
        return [one.file for one in export(connection, name, ExportRequest(workspace, at, run_id), folder)]


def target_folder(wanted: str) -> Path:
    """A folder of the worker's, or a place in an object store: it has the methods of a Path, whatever is behind it.

    Raises:
        ExportRefused: the configuration names no target, or another one.
    """
    configured = place(TARGET, "exports")
    if not configured:
        raise ExportRefused(
            f"{TARGET} is not set, so no export can be written: have the operator of the deployment name the folder or "
            "the address of the object store there"
        )
    local = _local_path(configured)
    folder = _store_below(configured, wanted) if local is None else _path_below(local, wanted)
    if folder is None:
        raise ExportRefused(f"target {printable(wanted[:200])}: lies outside of {TARGET}; give a folder below it")
    return folder


def _local_path(target: str) -> Path | None:
    """The path of a folder, or of a ``file://`` address; None for another address."""
    if target.startswith("file://"):
        return Path(unquote(urlsplit(target).path))
    return None if "://" in target else Path(target)


def _path_below(base: Path, wanted: str) -> Path | None:
    """The real path, every link followed."""
    base, path = base.resolve(), _local_path(wanted)
    try:
        folder = (base / path).resolve() if path is not None else None
    except (OSError, ValueError, RuntimeError):  # too long, a NUL, links in a circle
        return None
    return folder if folder is not None and folder.is_relative_to(base) else None


def _store_below(configured: str, wanted: str) -> Path | None:
    """An address below another one: nothing but names may follow."""
    from airflow.sdk import ObjectStoragePath

    base = configured.rstrip("/")
    address = wanted if "://" in wanted else f"{base}/{wanted}"
    if not address.startswith(base) or not _FOLDERS.fullmatch(address[len(base) :]):
        return None
    try:
        folder = ObjectStoragePath(address)
        folder.fs  # noqa: B018 - the store is looked up here
    except (ValueError, ImportError) as error:
        raise ExportRefused(f"{TARGET}: {one_line(error)}; install Airflow's provider for this store") from error
    return cast(Path, folder)
