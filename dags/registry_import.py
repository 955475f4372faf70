"""Import a roster, a classification or a two-step verification export into ``registry``.

The file is CSV or an Excel workbook below one of the folders of ``COMPLIANCE_IMPORT_FOLDERS``; a roster may also come
from the source that ``COMPLIANCE_ROSTER_SOURCE`` names. Whoever triggered the run counts as the one who declares. A
two-step verification export waits until somebody else accepts it.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task

from bitbucket_compliance.tasks import callbacks

with DAG(
    dag_id="registry_import",
    description="Import a roster, a classification or a two-step verification export.",
    schedule=None,
    catchup=False,
    # It runs only when somebody asks; a paused one would leave them waiting.
    is_paused_upon_creation=False,
    max_active_runs=1,
    params={
        "kind": Param("roster", enum=["roster", "classification", "mfa"], description="What the file is"),
        "source": Param(
            "file", enum=["file", "configured"], description="configured: what COMPLIANCE_ROSTER_SOURCE names"
        ),
        "file": Param(None, type=["null", "string"], description="For source file: its name below the imports' folder"),
        "captured_on": Param(
            None, type=["null", "string"], description="For mfa: day of the export, YYYY-MM-DD; empty: today"
        ),
        "mapping": Param(
            None,
            type=["null", "string"],
            description="For a roster: what its columns and words mean, as a preset or a YAML file below that folder",
        ),
        "roster_name": Param(
            "main", type="string", description="For a roster: which one it is, where there are several"
        ),
        "strict": Param(False, type="boolean", description="For a roster: refuse it if a single row can't be used"),
        "preview": Param(False, type="boolean", description="Say what would be taken, and write nothing"),
        "may_shrink": Param(
            False, type="boolean", description="I confirm that the roster may name far fewer people than the last one"
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
) as dag:

    @task(doc_md="The log says of each row that can't be used its line, column and reason; too many refuse the file.")
    def import_file(
        kind: str,
        source: str,
        file: str,
        captured_on: str,
        mapping: str,
        roster_name: str,
        switches: dict[str, str],
        dag_run: Any = None,
    ) -> None:
        from bitbucket_compliance.tasks import registry_import as tasks

        are_on = {name: value == "True" for name, value in switches.items()}
        tasks.import_from(kind, source, file, captured_on, dag_run, mapping=mapping, roster_name=roster_name, **are_on)

    import_file(
        kind="{{ params.kind }}",
        source="{{ params.source }}",
        file="{{ params.file or '' }}",
        captured_on="{{ params.captured_on or '' }}",
        mapping="{{ params.mapping or '' }}",
        roster_name="{{ params.roster_name }}",
        switches={
            "strict": "{{ params.strict }}",
            "preview": "{{ params.preview }}",
            "may_shrink": "{{ params.may_shrink }}",
        },
    )
