"""The body of the task of the DAG roster_refresh."""

from typing import Any

from bitbucket_compliance.registry.imports import MAIN
from bitbucket_compliance.tasks.connected import skip_until_connected
from bitbucket_compliance.tasks.frame import triggering_person
from bitbucket_compliance.tasks.registry_import import configured_rosters, import_configured_roster


def refresh_roster(dag_run: Any) -> None:
    """Take every roster from its source in ``COMPLIANCE_ROSTER_SOURCE``; one that fails holds up no other.

    Raises:
        Exception: that of the first that failed, once all were tried.
    """
    failed: list[Exception] = []
    with skip_until_connected():
        person = triggering_person(dag_run)
        for name in configured_rosters() or [MAIN]:
            try:
                import_configured_roster(person, roster_name=name)
            except Exception as error:
                failed.append(error)
        if failed:
            raise failed[0]
