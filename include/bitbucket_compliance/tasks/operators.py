"""Operators of the steps that may have to wait: they give their worker slot back and come back on their own."""

import logging
from abc import abstractmethod
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.providers.standard.utils.skipmixin import SkipMixin
from airflow.sdk import BaseOperator

log = logging.getLogger(__name__)

# A trigger fires within seconds of its moment; a triggerer that is down for so long ends the wait.
_GRACE = timedelta(hours=6)


class _WaitingOperator(BaseOperator):
    """Runs a step; where the step raises ``Waiting`` the task defers until then and runs it again.

    The step knows itself what it has done already, so nothing travels through the trigger.
    """

    template_fields: Sequence[str] = ("workspace", "run")

    def __init__(self, *, workspace: str, run: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.workspace = workspace
        self.run = run

    def execute(self, context: Any) -> None:
        """The step's first try."""
        self._step_or_defer(context)

    def resume(self, context: Any, event: Any = None) -> None:
        """The step again, after a wait."""
        self._step_or_defer(context)

    @abstractmethod
    def step(self, context: Any) -> None:
        """What subclasses do."""

    def _step_or_defer(self, context: Any) -> None:
        from datetime import UTC, datetime

        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        from bitbucket_compliance.core.errors import Waiting

        try:
            self.step(context)
        except Waiting as waiting:
            moment = max(waiting.resume_at, datetime.now(UTC) + timedelta(seconds=1))
            log.info("progress: %s; goes on at %s UTC", waiting, moment.strftime("%H:%M:%S"))
            self.defer(
                trigger=DateTimeTrigger(moment=moment),
                method_name="resume",
                timeout=moment - datetime.now(UTC) + _GRACE,
            )


class StartRunOperator(_WaitingOperator, SkipMixin):
    """Opens a run, or skips it where another run of the workspace is at work or there is nothing to do.

    Of the tasks behind it either the one that does all steps goes on, where events are about few repositories, or all
    others; those that end the run do in any case.

    Where a run that no scheduler stands behind was at work a moment ago and may have been interrupted, it comes back
    when that shows.

    Args:
        asked_at: when the run was asked for, in ISO 8601.
        full_refresh: "True" reads every repository again.
        incremental: "True" reads what webhooks announced, and nothing else.
        at_once: id of the task that does all steps.
    """

    template_fields: Sequence[str] = ("workspace", "run", "asked_at", "full_refresh", "incremental")

    def __init__(
        self,
        *,
        asked_at: str,
        at_once: str,
        full_refresh: str = "False",
        incremental: str = "False",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.at_once = at_once
        self.asked_at = asked_at
        self.full_refresh = full_refresh
        self.incremental = incremental

    def step(self, context: Any) -> None:
        """See ``bitbucket_compliance.pipeline.run.run.start_run``."""
        from datetime import datetime

        from bitbucket_compliance.tasks import bitbucket_compliance as tasks
        from bitbucket_compliance.tasks.airflow_runs import AirflowRuns
        from bitbucket_compliance.tasks.frame import skip_where_not_needed

        with skip_where_not_needed():
            is_small = tasks.start_run(
                self.workspace,
                self.run,
                full_refresh=str(self.full_refresh) == "True",
                incremental=str(self.incremental) == "True",
                asked_at=datetime.fromisoformat(self.asked_at),
                airflow=AirflowRuns(context["ti"]),
            )
        behind = [task for task in self.get_flat_relatives(upstream=False) if not task.is_teardown]
        self.skip(context["ti"], [task for task in behind if (task.task_id == self.at_once) is not is_small])


class AnswerEventsOperator(_WaitingOperator):
    """All steps of a run for events of few repositories; what its asset's event carries is ``publish``'s."""

    def step(self, context: Any) -> None:
        """See ``bitbucket_compliance.tasks.bitbucket_compliance.answer_at_once``."""
        from bitbucket_compliance.tasks import bitbucket_compliance as tasks

        told = tasks.answer_at_once(self.workspace, self.run)
        for asset in self.outlets:
            context["outlet_events"][asset].extra = told


class ReadingOperator(_WaitingOperator):
    """A step of extract, named by its task id; waits for requests where the hour's are used up.

    Args:
        chunk: number of the chunk, for ``read_repositories``.
    """

    template_fields: Sequence[str] = ("workspace", "run", "chunk")

    def __init__(self, *, chunk: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.chunk = chunk

    def step(self, context: Any) -> None:
        """See ``bitbucket_compliance.pipeline.extract``."""
        from bitbucket_compliance.tasks import bitbucket_compliance as tasks

        match self.task_id.rpartition(".")[2]:
            case "preflight":
                tasks.preflight(self.workspace, self.run)
            case "list_workspace":
                tasks.list_workspace(self.workspace, self.run)
            case _:
                tasks.read_chunk(self.workspace, self.run, int(self.chunk or 0))
