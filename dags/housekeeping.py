"""What time alone changes, once a day: exceptions that expired re-open, old data and audit packages are deleted."""

import os
from datetime import datetime, timedelta

from airflow.sdk import DAG, task

from bitbucket_compliance.tasks import callbacks

with DAG(
    dag_id="housekeeping",
    description="Re-open expired exceptions between runs; delete what policy keeps no longer.",
    schedule=os.environ.get("COMPLIANCE_HOUSEKEEPING_SCHEDULE", "@daily"),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=1,
    default_args={
        "owner": "compliance",
        "retries": 2,
        "retry_delay": timedelta(minutes=1),
        "retry_exponential_backoff": True,
        "execution_timeout": timedelta(hours=2),
        "on_failure_callback": callbacks.report_failure,
    },
    tags=["compliance", "registry"],
    doc_md=__doc__,
) as dag:

    @task(doc_md="Exceptions that expired, were withdrawn or were accepted show in results and history without a run.")
    def reopen_expired() -> None:
        from bitbucket_compliance.tasks import housekeeping as tasks

        tasks.reopen_expired()

    @task(doc_md="Bodies not seen for bodies_kept_days go, but for the newest of each object; history stays.")
    def forget_old() -> None:
        from bitbucket_compliance.tasks import housekeeping as tasks

        tasks.forget_old()

    @task(doc_md="Zips of audit packages older than packages_kept_days go; what they were stays noted.")
    def delete_packages() -> None:
        from bitbucket_compliance.tasks import housekeeping as tasks

        tasks.delete_packages()

    reopen_expired()
    forget_old()
    delete_packages()
