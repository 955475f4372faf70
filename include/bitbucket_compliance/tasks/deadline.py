"""The deadline of a workspace's run: who waits for verdicts is told when a run has not ended in time.

Airflow's scheduler notices it and its triggerer calls ``tell_late_run``, from Airflow 3.1 on; the interface is
experimental there. Parsing the DAG file imports this module: nothing heavy is imported with it.
"""

import asyncio
import logging
import os
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any, Final

log = logging.getLogger(__name__)

HOURS: Final = "COMPLIANCE_RUN_DEADLINE_HOURS"
MOST: Final = 1000.0
_RUNBOOK: Final = "docs/operations.md#run_stuck"
#: states of a run that has ended
_OVER: Final = ("success", "failed")


def deadline_hours() -> float:
    """Hours after it was queued in which a run has to end, from ``COMPLIANCE_RUN_DEADLINE_HOURS``; 0: no deadline.

    There is none unless a deployment asks for it: Airflow 3.3 fails a run of a DAG that has one in ``dags test`` and
    ``DAG.test``, which know no serialised alert. What is no number counts as none, and the log says so: a run without a
    deadline is better than none.
    """
    text = os.environ.get(HOURS, "").strip() or "0"
    try:
        hours = float(text)
    except ValueError:
        hours = -1.0
    if not 0 <= hours <= MOST:
        log.error("%s=%s is no number of hours up to %g: runs have no deadline", HOURS, text, MOST)
        return 0.0
    return hours


def deadline_alert() -> Any:
    """What the DAG takes as ``deadline``; None where there is none, or this Airflow knows no deadlines."""
    hours = deadline_hours()
    if not hours:
        return None
    alert, reference, callback = map(_of_airflow, ("DeadlineAlert", "DeadlineReference", "AsyncCallback"))
    if not (alert and reference and callback):
        return None
    return alert(
        reference=reference.DAGRUN_QUEUED_AT,
        interval=timedelta(hours=hours),
        callback=callback(tell_late_run, kwargs={"hours": hours}),
    )


def _of_airflow(name: str) -> Any:
    """What Airflow calls so, wherever this version has it; None where it does not."""
    for module in ("airflow.sdk", "airflow.sdk.definitions.deadline"):
        try:
            return getattr(import_module(module), name)
        except (ImportError, AttributeError):
            continue
    return None


async def tell_late_run(hours: float, context: dict[str, Any] | None = None) -> None:
    """Tell people of a run that has not ended in time, once a run, in the triggerer.

    Of one that failed before its deadline Airflow 3.3 calls it all the same: nobody is told then.

    Args:
        hours: how long it had.
        context: what Airflow says of it: ``dag_run``, as its REST API shows it.
    """
    run = (context or {}).get("dag_run") or {}
    if run.get("state") in _OVER:
        log.info("run %s ended: %s", run.get("dag_run_id"), run["state"])
        return
    await asyncio.to_thread(_tell, run, hours)


def _tell(run: dict[str, Any], hours: float) -> None:
    """Log it, and send it through the connection of ``COMPLIANCE_NOTIFY_CONN_ID``, if there is one."""
    from bitbucket_compliance.reporting.notifications.alerts import Alert, tell_once
    from bitbucket_compliance.reporting.notifications.settings import Settings
    from bitbucket_compliance.tasks.frame import compliance_postgres

    run_id, workspace = str(run.get("dag_run_id") or ""), str((run.get("conf") or {}).get("workspace") or "")
    alert = Alert(
        alert="run_late",
        workspace=workspace,
        subject=run_id,
        severity="high",
        title="A run has not ended in time",
        since=datetime.fromisoformat(run["queued_at"]) if run.get("queued_at") else datetime.now(UTC),
        reason=f"Run {run_id} was queued {hours:g} hours ago and is {run.get('state') or 'not over'}.",
        hint="Look in Airflow whether its task waits for requests (deferred), for a slot (queued), or is running.",
        runbook=_RUNBOOK,
    )
    log.warning("%s: %s: %s %s (%s)", alert.alert, alert.place, alert.reason, alert.hint, alert.runbook)
    settings = Settings.from_environment()
    if settings.conn_id:
        with compliance_postgres() as connection:
            tell_once(connection, settings, alert, f"deadline|{run_id}")
