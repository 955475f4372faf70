"""When webhooks announced a change, start one run of ``bitbucket_compliance`` for the repositories that changed.

Webhooks keep verdicts fresh, polling (``bitbucket_schedule``) keeps them complete: branch restrictions, members and the
settings of Pipelines have no event, and an event can get lost.
"""

import os
from datetime import timedelta

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, Asset, AssetWatcher, task

from bitbucket_cloud.triggers.webhook_events import WebhookEventTrigger
from bitbucket_compliance.pipeline.run import QUEUED
from bitbucket_compliance.tasks import callbacks

EVENTS = Asset(
    "bitbucket_webhook_events",
    watchers=[
        AssetWatcher(
            name="waiting_events",
            # The first event is answered at once. Those that follow within a minute are one run: it begins when nothing
            # came for some seconds, or the first of them has waited long enough.
            trigger=WebhookEventTrigger(
                "compliance_postgres",
                quiet_seconds=5.0,
                longest_seconds=20.0,
                silent_seconds=QUEUED,
                role="compliance_pipeline",
            ),
        )
    ],
)

with DAG(
    dag_id="bitbucket_events",
    description="One run of bitbucket_compliance for each workspace whose webhooks announced something.",
    # Without a receiver nothing ever comes, and nobody has to listen.
    schedule=[EVENTS] if os.environ.get("COMPLIANCE_WEBHOOK_URL") else None,
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=2,
    default_args={
        "owner": "compliance",
        "retries": 2,
        "retry_delay": timedelta(seconds=5),
        "retry_exponential_backoff": True,
        "execution_timeout": timedelta(minutes=5),
        "on_failure_callback": callbacks.report_failure,
    },
    tags=["bitbucket", "compliance"],
    doc_md=__doc__,
) as dag:

    @task(doc_md="The workspaces with waiting events for which the trigger asked for a run.")
    def workspaces_with_events() -> list[dict[str, object]]:
        from bitbucket_compliance.tasks import bitbucket_events as tasks

        return tasks.workspaces_with_events()

    TriggerDagRunOperator.partial(
        task_id="start_run",
        trigger_dag_id="bitbucket_compliance",
        map_index_template="{{ task.conf['workspace'] }}",
        doc_md="One run for each workspace: it answers all waiting events; skipped if another run answered them.",
    ).expand(conf=workspaces_with_events())
