"""Send what an operator should look at: late verdicts, runs that fail, lost connections; and when it is over."""

import os
from datetime import datetime, timedelta

from airflow.sdk import DAG, task

from bitbucket_compliance.tasks import callbacks

with DAG(
    dag_id="operations_alerts",
    description="Send each new alert of compliance.alerts, and its end, once.",
    schedule=os.environ.get("COMPLIANCE_ALERTS_SCHEDULE", "*/15 * * * *"),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=1,
    default_args={
        "owner": "compliance",
        "retries": 2,
        "retry_delay": timedelta(minutes=1),
        "execution_timeout": timedelta(minutes=10),
        "on_failure_callback": callbacks.report_failure,
    },
    tags=["compliance"],
    doc_md=__doc__,
) as dag:

    @task(doc_md="Log all alerts; send new ones through COMPLIANCE_NOTIFY_CONN_ID, or next time if that fails.")
    def tell_alerts() -> None:
        from bitbucket_compliance.tasks import operations_alerts as tasks

        tasks.tell()

    tell_alerts()
