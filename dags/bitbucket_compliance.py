"""Judge one Bitbucket workspace: extract → stage → gate → security tests → publish."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Asset, Param, chain, task, task_group

from bitbucket_compliance.reporting.notifications.settings import Settings
from bitbucket_compliance.security_tests import CATALOGUE
from bitbucket_compliance.tasks import callbacks, deadline
from bitbucket_compliance.tasks.operators import AnswerEventsOperator, ReadingOperator, StartRunOperator

# Its events say in ``extra`` which workspace was published by which run, of which kind, with which counts.
RESULTS = Asset("bitbucket_compliance_results", uri="x-compliance://compliance_postgres/compliance/current_results")

KEYS = {"workspace": "{{ params.workspace }}", "run": "{{ run_id }}"}

with DAG(
    dag_id="bitbucket_compliance",
    description="Read a Bitbucket workspace's metadata, judge it by the security tests, publish the results.",
    schedule=None,
    catchup=False,
    # It runs only when somebody or something asks; a paused one would leave them waiting.
    is_paused_upon_creation=False,
    # Of two runs of a workspace the later one is skipped, by a lease in Postgres. One that waits for requests holds no
    # worker and must not keep another workspace from one: how much is at work at once is the executor's affair.
    max_active_runs=1000,
    params={
        "workspace": Param(
            type="string", minLength=1, description="Slug of the workspace: the part behind bitbucket.org/"
        ),
        "full_refresh": Param(
            False, type="boolean", description="Read every repository again, even those that did not change"
        ),
        "incremental": Param(
            False, type="boolean", description="Read and judge only what webhooks announced since the last run"
        ),
    },
    default_args={
        "owner": "compliance",
        "retries": 2,
        "retry_delay": timedelta(seconds=5),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=5),
        "execution_timeout": timedelta(hours=2),
        # Where workers are few, runs that are nearly done go first: results come one by one, not all at the end.
        "weight_rule": "upstream",
        "on_failure_callback": callbacks.report_failure,
    },
    # A large workspace waits for requests for hours (thresholds.reading_hours of the policy).
    dagrun_timeout=timedelta(hours=48),
    deadline=deadline.deadline_alert(),
    tags=["bitbucket", "compliance"],
    doc_md=__doc__,
) as dag:

    @task(doc_md="Give the workspace back, however the run ended; fail if it did not publish.")
    def finish_run(workspace: str, run: str) -> None:
        from bitbucket_compliance.tasks import bitbucket_compliance as tasks

        tasks.end_run(workspace, run)

    @task_group
    def extract() -> None:
        """Bitbucket → landing: raw JSON and the outcome of every call."""

        @task(doc_md="Choose the repositories that are due; the next task gets the numbers of their chunks.")
        def plan_reading(workspace: str, run: str) -> list[int]:
            from bitbucket_compliance.tasks import bitbucket_compliance as tasks

            return tasks.plan_reading(workspace, run)

        allowed = ReadingOperator(
            task_id="preflight",
            doc_md="One request: which scopes are granted, which role has the account, what can decide each test?",
            **KEYS,
        )
        listed = ReadingOperator(
            task_id="list_workspace",
            doc_md="List repositories, members and roles, and look up the declared addresses that Bitbucket confirms.",
            **KEYS,
        )
        chunks = plan_reading(**KEYS)
        chain(allowed, listed, chunks)
        ReadingOperator.partial(
            task_id="read_repositories",
            # The connection's parallel requests are meant for one chunk at a time; one that waits holds up the others.
            max_active_tis_per_dagrun=1,
            map_index_template="chunk {{ task.chunk }}",
            doc_md="Read one chunk of repositories; a retry, or a return after waiting, asks only for what is missing.",
            **KEYS,
        ).expand(chunk=chunks)

    @task_group
    def stage() -> None:
        """Landing → staging: typed tables, one current row per object."""

        @task(doc_md="Turn landed JSON into typed tables by SQL; a row goes only if a complete listing lacks it.")
        def stage_landing(workspace: str, run: str) -> None:
            from bitbucket_compliance.tasks import bitbucket_compliance as tasks

            tasks.stage(workspace, run)

        stage_landing(**KEYS)

    @task_group
    def gate() -> None:
        """Great Expectations over staging; a critical failure keeps the last published state."""

        @task(doc_md="Check what must hold of staged tables and listings; compliance.runs.data_docs names the page.")
        def gate_staging(workspace: str, run: str) -> None:
            from bitbucket_compliance.tasks import bitbucket_compliance as tasks

            tasks.gate(workspace, run, "staging")

        gate_staging(**KEYS)

    @task_group
    def security_tests() -> None:
        """The tests, one task each: staging and registry → judged."""

        @task
        def judge(workspace: str, run: str, test_id: str) -> None:
            from bitbucket_compliance.tasks import bitbucket_compliance as tasks

            tasks.judge(workspace, run, test_id)

        for test in CATALOGUE:
            about = f"**{test.title}** ({test.severity}). {test.description}"
            judge.override(task_id=test.test_id, doc_md=about)(**KEYS, test_id=test.test_id)

    @task_group
    def publish() -> None:
        """Judged → compliance, behind a second gate, in one transaction."""

        @task(doc_md="Check that each subject has one verdict a test, and none passes on stale data or evidence.")
        def gate_results(workspace: str, run: str) -> None:
            from bitbucket_compliance.tasks import bitbucket_compliance as tasks

            tasks.gate(workspace, run, "results")

        @task(
            outlets=[RESULTS], doc_md="Publish results, history and figures in one transaction; then the asset event."
        )
        def publish_results(workspace: str, run: str, outlet_events: Any = None) -> None:
            from bitbucket_compliance.tasks import bitbucket_compliance as tasks

            outlet_events[RESULTS].extra = tasks.publish(workspace, run)

        gate_results(**KEYS) >> publish_results(**KEYS)

    started = StartRunOperator(
        task_id="start_run",
        asked_at="{{ dag_run.start_date.isoformat() }}",
        full_refresh="{{ params.full_refresh }}",
        incremental="{{ params.incremental }}",
        at_once="answer_events",
        doc_md="Reserve the workspace for this run, check the policy, open the run; skipped if another run is at work.",
        **KEYS,
    )
    answered = AnswerEventsOperator(
        task_id="answer_events",
        outlets=[RESULTS],
        doc_md="Events of a few repositories: every step from preflight to publish_results in this one task.",
        **KEYS,
    )
    # The run ends as this task does: a run whose other tasks were skipped by hand did not succeed.
    finished = finish_run(**KEYS).as_teardown(setups=started, on_failure_fail_dagrun=True)
    chain(started, extract(), stage(), gate(), security_tests(), publish(), finished)
    chain(started, answered, finished)

    if Settings.from_environment().after_each_run:

        @task(doc_md="Send what changed, each change once; what could not be sent goes out next time.")
        def notify(workspace: str) -> None:
            from bitbucket_compliance.tasks import notification_digest

            notification_digest.notify(workspace)

        # A teardown can fail without failing the run: what was published is published, whoever could be told of it.
        finished >> notify(KEYS["workspace"]).as_teardown()
