"""Runs of DAGs in Airflow: start one, find the one of ``bitbucket_compliance`` under way, ask how one goes.

The console runs in the API server and may use Airflow's models there.
"""

from __future__ import annotations

from collections.abc import Iterable

from bitbucket_compliance.core.errors import PipelineError, one_line
from compliance_console_app.permissions import AUDIT_DAG_ID, DAG_ID, Person

WEBHOOKS_DAG_ID = "bitbucket_webhooks"


class RunNotStarted(PipelineError):
    """Airflow doesn't start a run: see to the DAG, then try again."""


def start(workspace: str, person: Person) -> str:
    """Start a run of a workspace; its id.

    Raises:
        RunNotStarted: the DAG is not there, or paused, or refuses.
    """
    return _trigger(DAG_ID, workspace, person, {"workspace": workspace, "full_refresh": False})


def start_webhooks(action: str, workspace: str, person: Person) -> str:
    """Start a run of ``bitbucket_webhooks`` for a workspace; its id.

    Args:
        action: ``ensure`` (what somebody switched off is switched on again) or ``rotate``.

    Raises:
        RunNotStarted: the DAG is not there, or paused, or refuses.
    """
    conf = {"action": action, "workspace": workspace, "reactivate": action == "ensure"}
    return _trigger(WEBHOOKS_DAG_ID, workspace, person, conf)


def start_audit_package(run_id: str, workspace: str, person: Person, conf: dict[str, object]) -> None:
    """Start the run of ``audit_package`` by whose id its task finds what was asked for.

    Args:
        conf: what Airflow shows of it.

    Raises:
        RunNotStarted: the DAG is not there, or paused, or refuses.
    """
    _trigger(AUDIT_DAG_ID, workspace, person, {"workspace": workspace, **conf}, run_id)


def _trigger(dag_id: str, workspace: str, person: Person, conf: dict[str, object], run_id: str | None = None) -> str:
    from airflow.api.common.trigger_dag import trigger_dag
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunTriggeredByType

    from bitbucket_compliance.core.airflow_errors import AirflowException

    with create_session() as session:
        dag = DagModel.get_current(dag_id, session=session)
        is_paused = dag is not None and dag.is_paused
    if is_paused:
        raise RunNotStarted(f"the DAG {dag_id} is paused: unpause it in Airflow's list of DAGs, then try again here")
    try:
        run = trigger_dag(
            dag_id,
            triggered_by=DagRunTriggeredByType.UI,
            triggering_user_name=person.name,
            run_id=run_id,
            conf=conf,
        )
    except (AirflowException, ValueError) as refusal:
        raise RunNotStarted(f"Airflow did not start a run of {workspace}: {one_line(refusal)}") from refusal
    if run is None:
        raise RunNotStarted(f"Airflow did not start a run of {workspace}: look at the DAG {dag_id} there")
    return str(run.run_id)


def under_way(workspace: str, *, whole: bool = False) -> str | None:
    """The run of a workspace that is queued or at work, the newest where there are more.

    Args:
        whole: leave out runs that only answer events: they stand for no sync.
    """
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from sqlalchemy import select

    wanted = (
        select(DagRun.run_id, DagRun.conf)
        .where(DagRun.dag_id == DAG_ID, DagRun.state.in_([DagRunState.QUEUED, DagRunState.RUNNING]))
        .order_by(DagRun.id.desc())
    )
    with create_session() as session:
        for run_id, conf in session.execute(wanted):
            if not isinstance(conf, dict) or conf.get("workspace") != workspace:
                continue
            if not (whole and conf.get("incremental")):
                return str(run_id)
    return None


def state(run_id: str) -> str | None:
    """``queued``, ``running``, ``success`` or ``failed``; None where Airflow knows no such run."""
    return states(DAG_ID, [run_id]).get(run_id)


def states(dag_id: str, run_ids: Iterable[str]) -> dict[str, str]:
    """The state of each of these runs that Airflow knows, by its id."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    wanted = select(DagRun.run_id, DagRun.state).where(DagRun.dag_id == dag_id, DagRun.run_id.in_(list(run_ids)))
    with create_session() as session:
        return {str(run_id): str(found) for run_id, found in session.execute(wanted)}
