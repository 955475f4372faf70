"""Take declared data into ``registry``: roster, classification, two-step verification export.

From a CSV file, or the roster from a query over any SQL connection or from a SCIM 2.0 directory.
"""

from datetime import timedelta

from airflow.sdk import DAG, Param, task

from bitbucket_compliance.tasks import callbacks

with DAG(
    dag_id="registry_import",
    description="Import a roster, a classification or a two-step verification export; all of it or nothing.",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    params={
        "kind": Param("roster", enum=["roster", "classification", "mfa"], description="What is declared"),
        "source": Param("file", enum=["file", "sql", "scim"], description="Where it comes from; sql and scim: roster"),
        "path": Param(None, type=["null", "string"], description="file: path of the CSV, as the workers see it"),
        "conn_id": Param(None, type=["null", "string"], description="sql, scim: id of the Airflow connection"),
        "query_file": Param(None, type=["null", "string"], description="sql: path of the query's text"),
        "captured_on": Param(
            None, type=["null", "string"], description="For mfa: day of the export, YYYY-MM-DD; empty: today"
        ),
        "imported_by": Param("airflow", type="string", minLength=1, description="Who vouches for it"),
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
    def import_file(kind: str, source: str, origin: dict[str, str], captured_on: str, imported_by: str) -> None:
        from bitbucket_compliance.tasks import registry_import as tasks

        tasks.import_from(kind, source, origin, captured_on, imported_by)

    import_file(
        kind="{{ params.kind }}",
        source="{{ params.source }}",
        origin={
            "path": "{{ params.path or '' }}",
            "conn_id": "{{ params.conn_id or '' }}",
            "query_file": "{{ params.query_file or '' }}",
        },
        captured_on="{{ params.captured_on or '' }}",
        imported_by="{{ params.imported_by }}",
    )
