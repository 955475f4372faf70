"""`make webhooks`: register, repair, rotate or remove the webhooks of the user's connection."""

from __future__ import annotations

import os
import sys
from typing import Final

from local import environment as env
from local.airflow_run import one_line
from local.services import LocalError, Services, migrate_compliance, require_postgres

USAGE: Final = "usage: make webhooks [ACTION=ensure|rotate|remove] [WORKSPACE=slug] [REACTIVATE=1]"


def webhooks(action: str, workspace: str, reactivate: str) -> int:
    """Do it for one workspace or all of the connection, and print what came of it; 1 where one of them failed.

    Raises:
        LocalError: there is no connection, no address to deliver to, or no such action.
        PipelineError: nothing could be done; see ``bitbucket_compliance.tasks.bitbucket_webhooks.plan``.
    """
    action = action.strip().lower() or "ensure"
    wants_on = _is_yes(reactivate)
    # Airflow writes its configuration where these say, as soon as it is imported.
    os.environ.update(env.airflow_environment(env.LOCAL / "airflow"))
    from bitbucket_compliance.core.errors import PipelineError
    from bitbucket_compliance.tasks import bitbucket_webhooks as pipeline

    if action not in pipeline.ACTIONS:
        raise LocalError(f"ACTION={action} is not known; {USAGE}")
    with Services() as services:
        connections = services.connections(needs_bitbucket=False)
        if not connections.bitbucket:
            raise LocalError(
                f"there is no connection whose webhooks to look after: set {env.BITBUCKET_CONNECTION}; those of "
                "`make up` belong to its DAG bitbucket_webhooks"
            )
        require_postgres(connections)
        migrate_compliance(connections)
        os.environ.update(connections.as_environment())
        failures = 0
        try:
            for name in pipeline.plan(action, workspace):
                try:
                    for line in pipeline.look_after(action, name, reactivate=wants_on):
                        print(line, flush=True)
                except PipelineError as error:
                    # One bad workspace never holds up another.
                    print(f"error: {one_line(error)}", file=sys.stderr, flush=True)
                    failures += 1
        except pipeline.WebhooksOff as off:
            raise LocalError(str(off)) from None
    return 1 if failures else 0


def _is_yes(value: str) -> bool:
    word = value.strip().lower()
    if word in ("1", "true", "yes", "on"):
        return True
    if word in ("", "0", "false", "no", "off"):
        return False
    raise LocalError(f"REACTIVATE={value}: write 1 to switch on what was switched off; {USAGE}")
