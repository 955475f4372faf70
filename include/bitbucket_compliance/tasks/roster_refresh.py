"""The body of the task of the DAG roster_refresh."""

from typing import Any

from bitbucket_compliance.tasks.connected import skip_until_connected
from bitbucket_compliance.tasks.frame import triggering_person
from bitbucket_compliance.tasks.registry_import import import_configured_roster


def refresh_roster(dag_run: Any) -> None:
    """Take the roster from the source that ``COMPLIANCE_ROSTER_SOURCE`` names."""
    with skip_until_connected():
        import_configured_roster(triggering_person(dag_run))
