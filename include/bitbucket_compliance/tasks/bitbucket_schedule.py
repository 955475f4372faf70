"""The body of the task of the DAG bitbucket_schedule."""

from typing import Any

from bitbucket_compliance.tasks.connected import all_connected, skip_until_connected
from bitbucket_compliance.tasks.frame import fail_without_retry


def connected_workspaces() -> list[dict[str, Any]]:
    """A run's ``conf`` for each workspace of the connections' extra ``workspaces``; skipped while none is connected."""
    with fail_without_retry(), skip_until_connected():
        workspaces = dict.fromkeys(slug for settings in all_connected() for slug in settings.workspaces)
    return [{"workspace": slug, "full_refresh": False} for slug in workspaces]
