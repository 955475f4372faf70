"""Write an audit package for a workspace and a period: what an auditor needs to sign off, and a program that checks it.

It is written at or below the folder or object store that ``COMPLIANCE_EXPORT_TARGET`` names.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task

from bitbucket_compliance.tasks import callbacks

with DAG(
    dag_id="audit_package",
    description="Write what an auditor needs to sign off a workspace and a period, with a program that checks it.",
    schedule=None,
    catchup=False,
    # It runs only when somebody asks; a paused one would leave them waiting.
    is_paused_upon_creation=False,
    max_active_runs=1,
    params={
        "workspace": Param(type="string", minLength=1, description="Slug of the workspace"),
        "from": Param(type="string", format="date", description="First day of the period (UTC)"),
        "to": Param(type="string", format="date", description="Last day of the period (UTC), included"),
        "seed": Param("", type="string", description="Text that samples are drawn by; empty: the population's digest"),
        "framework": Param("", type="string", description="Only the controls of this framework; empty: of all"),
        "people": Param(
            False,
            type="boolean",
            description="Name persons and include files of evidence; else each person is a pseudonym. Only if"
            " COMPLIANCE_AUDIT_PEOPLE is set: otherwise ask for such a package in the console",
        ),
        "frequency": Param(
            "",
            enum=["", "daily", "weekly", "monthly"],
            description="How often the control operates: decides how large samples are; empty: the population does",
        ),
        "read_samples": Param(
            False,
            type="boolean",
            description="Read from Bitbucket when each sampled pull request was approved, changed and merged, and the"
            " builds of the merge: three requests each at most",
        ),
        "target": Param(
            "", type="string", description="Folder below COMPLIANCE_EXPORT_TARGET; empty: that place itself"
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
    tags=["compliance"],
    doc_md=__doc__,
) as dag:

    @task(doc_md="Read in one transaction, write under a temporary name, then rename; the log says where it is.")
    def write_package(
        workspace: str,
        first_day: str,
        last_day: str,
        seed: str,
        framework: str,
        people: str,
        target: str,
        frequency: str,
        read_samples: str,
        dag_run: Any = None,
    ) -> str:
        from bitbucket_compliance.tasks import audit_package as tasks

        return tasks.audit_package(
            workspace, first_day, last_day, seed, framework, people, target, dag_run, frequency, read_samples
        )

    write_package(
        workspace="{{ params.workspace }}",
        first_day="{{ params['from'] }}",
        last_day="{{ params.to }}",
        seed="{{ params.seed }}",
        framework="{{ params.framework }}",
        people="{{ params.people }}",
        target="{{ params.target }}",
        frequency="{{ params.frequency }}",
        read_samples="{{ params.read_samples }}",
    )
