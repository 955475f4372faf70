"""Judge one Bitbucket workspace: extract → stage → gate → eight security tests → publish."""

from datetime import timedelta

from airflow.sdk import DAG, Asset, Param, chain, task, task_group

from include.pipeline import callbacks
from include.security_tests import CATALOGUE

RESULTS = Asset("bitbucket_compliance_results")

KEYS = {"workspace": "{{ params.workspace }}", "run": "{{ run_id }}"}

with DAG(
    dag_id="bitbucket_compliance",
    description="Read a Bitbucket workspace's metadata, judge it by the security tests, publish the results.",
    schedule=None,
    catchup=False,
    # Two runs of one workspace are kept apart by a lease in Postgres; workspaces don't wait for each other.
    max_active_runs=8,
    params={
        "workspace": Param(
            type="string", minLength=1, description="Slug of the workspace: the part behind bitbucket.org/"
        ),
        "full_refresh": Param(False, type="boolean", description="Ask again for what earlier runs know already"),
    },
    default_args={
        "owner": "compliance",
        "retries": 2,
        "retry_delay": timedelta(seconds=5),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=5),
        "execution_timeout": timedelta(hours=2),
        "on_failure_callback": callbacks.report_failure,
    },
    dagrun_timeout=timedelta(hours=12),
    tags=["bitbucket", "compliance"],
    doc_md=__doc__,
):

    @task(doc_md="Take the workspace's lease, validate the policy, open the run.")
    def start_run(workspace: str, run: str, full_refresh: str) -> None:
        from include.pipeline import tasks

        tasks.start_run(workspace, run, full_refresh == "True")

    @task(doc_md="Give the workspace back, however the run went; one that did not publish has failed.")
    def finish_run(workspace: str, run: str) -> None:
        from include.pipeline import tasks

        tasks.finish_run(workspace, run)

    @task_group
    def extract() -> None:
        """Bitbucket → landing: raw JSON and the outcome of every call."""

        @task(doc_md="Land repositories, members, roles, and the declared addresses Bitbucket confirms.")
        def list_workspace(workspace: str, run: str) -> None:
            from include.pipeline import tasks

            tasks.list_workspace(workspace, run)

        @task(doc_md="Split the repositories into chunks; only their numbers travel to the mapped task.")
        def plan_reading(workspace: str, run: str) -> list[int]:
            from include.pipeline import tasks

            return tasks.plan_reading(workspace, run)

        @task(
            # The connection's parallel requests are meant for one chunk at a time.
            max_active_tis_per_dagrun=1,
            map_index_template="chunk {{ task.op_kwargs['chunk'] }}",
            doc_md="Read one chunk of repositories; a retry asks only for what it has not landed.",
        )
        def read_repositories(workspace: str, run: str, chunk: int) -> None:
            from include.pipeline import tasks

            tasks.read_chunk(workspace, run, chunk)

        listed = list_workspace(**KEYS)
        chunks = plan_reading(**KEYS)
        listed >> chunks
        read_repositories.partial(**KEYS).expand(chunk=chunks)

    @task_group
    def stage() -> None:
        """Landing → staging: typed tables, one current row per object."""

        @task(doc_md="SQL from landed JSON to typed tables; rows disappear only behind a complete listing.")
        def stage_landing(workspace: str, run: str) -> None:
            from include.pipeline import tasks

            tasks.stage(workspace, run)

        stage_landing(**KEYS)

    @task_group
    def gate() -> None:
        """Great Expectations over staging; a critical failure keeps the last published state."""

        @task(doc_md="Keys, enums, coverage, shrinking listings, age of the roster.")
        def gate_staging(workspace: str, run: str) -> None:
            from include.pipeline import tasks

            tasks.gate(workspace, run, "staging")

        gate_staging(**KEYS)

    @task_group
    def security_tests() -> None:
        """The tests, one task each: staging and registry → judged."""

        @task
        def judge(workspace: str, run: str, test_id: str) -> None:
            from include.pipeline import tasks

            tasks.judge(workspace, run, test_id)

        for test in CATALOGUE:
            about = f"**{test.title}** ({test.severity}). {test.description}"
            judge.override(task_id=test.test_id, doc_md=about)(**KEYS, test_id=test.test_id)

    @task_group
    def publish() -> None:
        """Judged → compliance, behind a second gate, in one transaction."""

        @task(doc_md="One known verdict for each subject of each enabled test; nothing passes without fresh data.")
        def gate_results(workspace: str, run: str) -> None:
            from include.pipeline import tasks

            tasks.gate(workspace, run, "results")

        @task(outlets=[RESULTS], doc_md="Current results, history and the run's figures; then the asset event.")
        def publish_results(workspace: str, run: str) -> None:
            from include.pipeline import tasks

            tasks.publish(workspace, run)

        gate_results(**KEYS) >> publish_results(**KEYS)

    started = start_run(**KEYS, full_refresh="{{ params.full_refresh }}")
    finished = finish_run(**KEYS).as_teardown(setups=started)  # type: ignore[arg-type]  # takes XComArg too
    chain(started, extract(), stage(), gate(), security_tests(), publish(), finished)
