"""Once a day: let expired exceptions end, and delete old data and old audit packages."""

import os
from datetime import datetime, timedelta

from airflow.sdk import DAG, task

from bitbucket_compliance.tasks import callbacks

with DAG(
    dag_id="housekeeping",
    description="Let expired exceptions end between runs; delete what the policy no longer keeps.",
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

    @task(doc_md="Show exceptions that were accepted, withdrawn or expired since the last run in results and history.")
    def reopen_expired() -> None:
        from bitbucket_compliance.tasks import housekeeping as tasks

        tasks.reopen_expired()

    @task(doc_md="Delete what is older than bodies_kept_days, history_kept_days and events_kept_days of the policy.")
    def forget_old() -> None:
        from bitbucket_compliance.tasks import housekeeping as tasks

        tasks.forget_old()

    @task(doc_md="Delete zips of audit packages older than packages_kept_days; the record of each stays.")
    def delete_packages() -> None:
        from bitbucket_compliance.tasks import housekeeping as tasks

        tasks.delete_packages()

    reopen_expired()
    forget_old()
    delete_packages()
