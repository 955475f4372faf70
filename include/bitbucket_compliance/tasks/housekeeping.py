"""The bodies of the tasks of the DAG housekeeping."""

import logging

from bitbucket_compliance.pipeline.housekeeping import housekeeping
from bitbucket_compliance.tasks.connected import skip_until_connected
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
