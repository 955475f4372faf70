"""The body of the task of the DAG export_results."""

from pathlib import Path
from typing import cast

from bitbucket_compliance.core.errors import one_line
from bitbucket_compliance.tasks.frame import compliance_postgres


def export_results(name: str, workspace: str, at: str, run_id: str, target: str) -> list[str]:
    """Write an export of the format ``name`` below ``target``; returns the addresses of the files.

    See ``bitbucket_compliance.reporting.exports``; an empty text means that nothing was asked for.
    """
    from bitbucket_compliance.reporting.exports.export import export
    from bitbucket_compliance.reporting.exports.snapshot.read import ExportRequest

    with compliance_postgres() as connection:
        folder = _folder(target)
        return [one.file for one in export(connection, name, ExportRequest(workspace, at, run_id), folder)]


def _folder(target: str) -> Path:
    """A folder of the worker's, or a place in an object store: it has the methods of a Path, whatever is behind it."""
    from airflow.sdk import ObjectStoragePath

    from bitbucket_compliance.reporting.exports.model import ExportRefused

    try:
        folder = ObjectStoragePath(target)
        folder.fs  # noqa: B018 - the store is looked up here
    except (ValueError, ImportError) as error:
        raise ExportRefused(f"target {target}: {one_line(error)}; install Airflow's provider for this store") from error
    return cast(Path, folder)
