"""Register the webhooks of each connected workspace at Bitbucket, and repair them.

Bitbucket delivers to ``COMPLIANCE_WEBHOOK_URL``; if it is not set, this DAG does nothing.
"""

import os
from datetime import datetime, timedelta

from airflow.sdk import DAG, Param, task

from bitbucket_compliance.tasks import callbacks

with DAG(
    dag_id="bitbucket_webhooks",
    description="Webhooks of the connected workspaces: registered, repaired, given a new secret, or removed.",
    schedule=os.environ.get("COMPLIANCE_WEBHOOKS_SCHEDULE", "@daily"),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # It also runs when somebody asks; a paused one would leave them waiting.
    is_paused_upon_creation=False,
    max_active_runs=1,
    params={
        "action": Param(
            "ensure",
            enum=["ensure", "rotate", "remove"],
            description="ensure: register and repair; rotate: the same with a new secret; remove: delete at Bitbucket",
        ),
        "workspace": Param(
            "", type="string", description="Slug of one workspace; empty: all. rotate always gives a new secret to all"
        ),
        "reactivate": Param(
            False, type="boolean", description="Switch on what was switched off, ask again where Bitbucket refused"
        ),
    },
    default_args={
        "owner": "compliance",
        "retries": 2,
        "retry_delay": timedelta(seconds=30),
        "retry_exponential_backoff": True,
        "execution_timeout": timedelta(hours=1),
        "on_failure_callback": callbacks.report_failure,
    },
    tags=["bitbucket", "compliance"],
    doc_md=__doc__,
) as dag:

    @task(doc_md="List the workspaces; skipped if no address is set. For rotate, also make the new secret.")
    def plan_webhooks(action: str, workspace: str) -> list[str]:
        from bitbucket_compliance.tasks import bitbucket_webhooks as tasks

        return tasks.plan_task(action, workspace)

    @task(
        map_index_template="{{ task.op_kwargs['workspace'] }}",
        doc_md="One workspace: create what is missing, repair the rest. If it fails, the others go on.",
    )
    def look_after(action: str, reactivate: str, workspace: str) -> None:
        from bitbucket_compliance.tasks import bitbucket_webhooks as tasks

        tasks.look_after_task(action, workspace, reactivate == "True")

    look_after.partial(action="{{ params.action }}", reactivate="{{ params.reactivate }}").expand(
        workspace=plan_webhooks(action="{{ params.action }}", workspace="{{ params.workspace }}")
    )
