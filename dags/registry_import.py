"""Take a declared CSV file into ``registry``: roster, classification, two-step verification export."""

from datetime import timedelta

from airflow.sdk import DAG, Param, task

from include.pipeline import callbacks

with DAG(
    dag_id="registry_import",
    description="Import a roster, a classification or a two-step verification export; all of a file or nothing.",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    params={
        "kind": Param("roster", enum=["roster", "classification", "mfa"], description="What the file declares"),
        "path": Param(type="string", minLength=1, description="Path of the CSV file, as the workers see it"),
        "captured_on": Param(
            None, type=["null", "string"], description="For mfa: day of the export, YYYY-MM-DD; empty: today"
        ),
        "imported_by": Param("airflow", type="string", minLength=1, description="Who vouches for the file"),
    },
    default_args={
        "owner": "compliance",
        "retries": 1,
        "retry_delay": timedelta(seconds=5),
        "execution_timeout": timedelta(minutes=10),
        "on_failure_callback": callbacks.report_failure,
    },
    tags=["compliance", "registry"],
    doc_md=__doc__,
):

    @task(doc_md="A bad row is refused with file, line, column and reason.")
    def import_file(kind: str, path: str, captured_on: str, imported_by: str) -> None:
        from include.pipeline import tasks

        tasks.import_declared(kind, path, None if captured_on in ("", "None") else captured_on, imported_by)

    import_file(
        kind="{{ params.kind }}",
        path="{{ params.path }}",
        captured_on="{{ params.captured_on }}",
        imported_by="{{ params.imported_by }}",
    )
