"""Take the roster anew each day from the source that ``COMPLIANCE_ROSTER_SOURCE`` names; without it, never.

``sql:<connection>:<query file>``, ``scim:<connection>`` or ``file:<path of a CSV>``.
"""

import os
from datetime import datetime, timedelta

from airflow.sdk import DAG, task

from bitbucket_compliance.tasks import callbacks

SOURCE = os.environ.get("COMPLIANCE_ROSTER_SOURCE", "").strip()

with DAG(
    dag_id="roster_refresh",
    description="The roster from its source, once a day.",
    schedule="@daily" if SOURCE else None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={
        "owner": "compliance",
        "retries": 3,
        "retry_delay": timedelta(minutes=1),
        "retry_exponential_backoff": True,
        "execution_timeout": timedelta(minutes=30),
        "on_failure_callback": callbacks.report_failure,
    },
    tags=["compliance", "registry"],
    doc_md=__doc__,
):

    @task(doc_md="A roster that is empty, broken off or has a bad row is refused; the one before it stays.")
    def take_roster(source: str) -> None:
        from bitbucket_compliance.tasks import roster_refresh as tasks

        tasks.refresh_roster(source, "roster_refresh")

    take_roster(SOURCE)
