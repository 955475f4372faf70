"""The body of the task of the DAG bitbucket_schedule."""

from typing import Any

from bitbucket_compliance.core.errors import PipelineError
from bitbucket_compliance.tasks.frame import fail_without_retry


def connected_workspaces() -> list[dict[str, Any]]:
    """A run's ``conf`` for each workspace of the connection's extra ``workspaces``."""
    from bitbucket_cloud.hooks.bitbucket import BitbucketHook

    with fail_without_retry():
        workspaces = BitbucketHook().settings.workspaces
        if not workspaces:
            raise PipelineError(
                "connection bitbucket_default: extra workspaces is empty; list the slugs of the workspaces to judge"
            )
    return [{"workspace": slug, "full_refresh": False} for slug in workspaces]
