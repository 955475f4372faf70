"""The bodies of the tasks of the DAG housekeeping."""

import logging
from pathlib import PosixPath

from bitbucket_compliance.core.errors import one_line
from bitbucket_compliance.pipeline.housekeeping import housekeeping
from bitbucket_compliance.reporting.audit import retention
from bitbucket_compliance.reporting.exports.model import ExportRefused
from bitbucket_compliance.tasks.connected import skip_until_connected
from bitbucket_compliance.tasks.export_results import target_folder
from bitbucket_compliance.tasks.frame import compliance_postgres

log = logging.getLogger(__name__)


def reopen_expired() -> None:
    """Let published results show the exceptions that hold now."""
    with skip_until_connected(), compliance_postgres() as connection:
        log.info("exceptions: %d results changed", housekeeping.reopen_expired(connection))


def forget_old() -> None:
    """Delete what the policy no longer keeps."""
    with skip_until_connected(), compliance_postgres() as connection:
        log.info("deleted: %d landed bodies", housekeeping.forget_old(connection))


def delete_packages() -> None:
    """Delete the zips of audit packages that the policy no longer keeps."""
    with skip_until_connected(), compliance_postgres() as connection:
        log.info("audit packages: %d zips deleted", retention.delete_outdated(connection, _delete_file))


def _delete_file(folder: str, name: str) -> None:
    """Delete a file below the target of exports, and its folder where it is empty then.

    Raises:
        ExportRefused: no target is configured, or the file can't be deleted.
    """
    place = target_folder(folder)
    try:
        (place / name).unlink(missing_ok=True)
        if isinstance(place, PosixPath) and place.is_dir() and not any(place.iterdir()):
            place.rmdir()
    except OSError as error:
        raise ExportRefused(f"{folder}/{name} can't be deleted: {one_line(error)}") from error
