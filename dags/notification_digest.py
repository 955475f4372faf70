"""Send once a day what changed in all workspaces, if ``COMPLIANCE_NOTIFY_DIGEST=daily`` asks for it."""

from datetime import datetime, timedelta

from airflow.sdk import DAG, task

from bitbucket_compliance.reporting.notifications.settings import Settings
from bitbucket_compliance.tasks import callbacks

with DAG(
    dag_id="notification_digest",
    description="One message a day about what changed in all workspaces and was not sent yet.",
    schedule="@daily" if Settings.from_environment().daily else None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=1,
    default_args={
        "owner": "compliance",
        "retries": 5,
        "retry_delay": timedelta(minutes=1),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=30),
        "execution_timeout": timedelta(minutes=10),
        "on_failure_callback": callbacks.report_failure,
    },
    tags=["compliance"],
    doc_md=__doc__,
) as dag:

    @task(doc_md="Send what was not sent yet; if that fails, it goes out next time.")
    def send_digest() -> None:
        from bitbucket_compliance.tasks import notification_digest as tasks

        tasks.notify()

    send_digest()
