"""Take declared data into ``registry``: roster, classification, two-step verification export.

From a CSV file or an Excel workbook below one of the folders of ``COMPLIANCE_IMPORT_FOLDERS``, or the roster from the
source that ``COMPLIANCE_ROSTER_SOURCE`` names. Who triggered the run counts as who declares it; a two-step verification
export waits for somebody else to accept it.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task

from bitbucket_compliance.tasks import callbacks

with DAG(
    dag_id="registry_import",
    description="Import a roster, a classification or a two-step verification export; all of it or nothing.",
    schedule=None,
    catchup=False,
    # It runs only when somebody asks; a paused one would leave them waiting.
    is_paused_upon_creation=False,
    max_active_runs=1,
    params={
        "kind": Param("roster", enum=["roster", "classification", "mfa"], description="What is declared"),
        "source": Param("file", enum=["file", "configured"], description="configured: the source of the daily roster"),
        "file": Param(None, type=["null", "string"], description="file: its name below the imports' folder"),
        "captured_on": Param(
            None, type=["null", "string"], description="For mfa: day of the export, YYYY-MM-DD; empty: today"
        ),
        "mapping": Param(
            None,
            type=["null", "string"],
            description="For a roster: what its columns and words mean, a preset or a YAML file below that folder",
        ),
        "may_shrink": Param(
            False, type="boolean", description="I confirm that the roster may name many people less than the last one"
        ),
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
    def import_file(
        kind: str, source: str, file: str, captured_on: str, mapping: str, may_shrink: str, dag_run: Any = None
    ) -> None:
        from bitbucket_compliance.tasks import registry_import as tasks

        tasks.import_from(kind, source, file, captured_on, dag_run, mapping=mapping, may_shrink=may_shrink == "True")

    import_file(
        kind="{{ params.kind }}",
        source="{{ params.source }}",
        file="{{ params.file or '' }}",
        captured_on="{{ params.captured_on or '' }}",
        mapping="{{ params.mapping or '' }}",
        may_shrink="{{ params.may_shrink }}",
    )
