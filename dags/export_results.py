"""Write the published results of a run or of a point in time as OCSF, OSCAL, CSV (for Excel too) or Parquet.

The file is written at or below the folder or object store that ``COMPLIANCE_EXPORT_TARGET`` names.
"""

from datetime import timedelta

from airflow.sdk import DAG, Param, task

from bitbucket_compliance.tasks import callbacks

with DAG(
    dag_id="export_results",
    description="Export the published results of a run or of a point in time; each file is read back and compared.",
    schedule=None,
    catchup=False,
    # It runs only when somebody asks; a paused one would leave them waiting.
    is_paused_upon_creation=False,
    max_active_runs=2,
    params={
        "format": Param(
            "ocsf",
            enum=["ocsf", "ocsf-array", "oscal", "csv", "csv-excel", "parquet"],
            description="Format of the file",
        ),
        "workspace": Param("", type="string", description="Slug of the workspace; empty: a file for each one"),
        "at": Param("", type="string", description="A day (its end, UTC) or a time, as 2026-03-31; empty: now"),
        "run": Param("", type="string", description="Id of a run that published, instead of a point in time"),
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

    @task(doc_md="Write under a temporary name, read back, compare with the database, then rename.")
    def write_export(name: str, workspace: str, at: str, run: str, target: str) -> list[str]:
        from bitbucket_compliance.tasks import export_results as tasks

        return tasks.export_results(name, workspace, at, run, target)

    write_export(
        name="{{ params.format }}",
        workspace="{{ params.workspace }}",
        at="{{ params.at }}",
        run="{{ params.run }}",
        target="{{ params.target }}",
    )
