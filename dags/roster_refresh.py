"""Import the roster each day from the source that ``COMPLIANCE_ROSTER_SOURCE`` names; without one, never.

A source is ``sql:<connection>:<query file>``, ``scim:<connection>`` or ``file:<CSV>``; several rosters have names:
``main=scim:idp; contractors=file:contractors.csv``. Query files lie below the folders of ``COMPLIANCE_QUERY_FOLDERS``,
CSV files below those of ``COMPLIANCE_IMPORT_FOLDERS``.
"""

import os
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG, task

from bitbucket_compliance.tasks import callbacks

HAS_SOURCE = bool(os.environ.get("COMPLIANCE_ROSTER_SOURCE", "").strip())

with DAG(
    dag_id="roster_refresh",
    description="The roster from its source, once a day.",
    schedule="@daily" if HAS_SOURCE else None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    is_paused_upon_creation=False,
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
) as dag:

    @task(doc_md="A roster that is empty, incomplete or has too many bad rows is refused; the one before it stays.")
    def take_roster(dag_run: Any = None) -> None:
        from bitbucket_compliance.tasks import roster_refresh as tasks

        tasks.refresh_roster(dag_run)

    take_roster()
