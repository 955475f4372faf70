"""Start one run of ``bitbucket_compliance`` for each connected workspace."""

import os
from datetime import datetime, timedelta

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, task

from bitbucket_compliance.tasks import callbacks

with DAG(
    dag_id="bitbucket_schedule",
    description="One run of bitbucket_compliance for each connected workspace.",
    schedule=os.environ.get("COMPLIANCE_SCHEDULE", "@daily"),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # Nobody has to start it: it is skipped, with the reason, until a workspace is connected.
    is_paused_upon_creation=False,
    max_active_runs=1,
    default_args={
        "owner": "compliance",
        "retries": 2,
        "retry_delay": timedelta(seconds=30),
        "retry_exponential_backoff": True,
        "execution_timeout": timedelta(minutes=10),
        "on_failure_callback": callbacks.report_failure,
    },
    tags=["bitbucket", "compliance"],
    doc_md=__doc__,
) as dag:

    @task(doc_md="The workspaces that the Bitbucket connections name, the longest unpublished first.")
    def connected_workspaces() -> list[dict[str, object]]:
        from bitbucket_compliance.tasks import bitbucket_schedule as tasks

        return tasks.connected_workspaces()

    TriggerDagRunOperator.partial(
        task_id="start_run",
        trigger_dag_id="bitbucket_compliance",
        map_index_template="{{ task.conf['workspace'] }}",
        doc_md="One run for each workspace; one that fails never holds up another.",
    ).expand(conf=connected_workspaces())
