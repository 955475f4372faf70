"""One worker of two: a process with folders and a clock of its own, which does the steps that it is handed.

It is what a pool of Airflow's is: forked from a process that has imported everything, one step at a time, and whether
a step failed for good or may be tried again is seen by its error.
"""

from __future__ import annotations

import datetime as datetimes
import logging
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from bitbucket_compliance.core.errors import RunNotNeeded
from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from tests.harness import without_gates

#: Seconds that a step may take where others keep the machine busy.
PATIENCE = 240.0
_BEFORE = datetimes.datetime
_PACKAGES = ("bitbucket_compliance", "bitbucket_cloud")
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__, "great_expectations", "pandas"])


@dataclass(frozen=True)
class Answer:
    """How a step ended.

    Attributes:
        end: ``done``, ``skipped``, ``again`` (it may be tried again), ``failed`` (it may not).
    """

    end: str
    value: Any = None


@dataclass(frozen=True)
class Scheduler:
    """What a lease asks of Airflow: the runs that have ended."""

    ended: frozenset[str]
    dag_id: str | None = "bitbucket_compliance"

    def has_ended(self, dag_id: str, run_id: str) -> bool | None:
        return run_id in self.ended


class Worker:
    """A worker, as whoever hands out steps sees it."""

    def __init__(self, home: Path, environment: dict[str, str], *, gates: bool) -> None:
        self.name = home.name
        home.mkdir(parents=True)
        self._steps, theirs = _processes.Pipe()
        self._shift = _processes.Value("d", 0.0)
        own = {variable: str(home) for variable in ("HOME", "TMPDIR", "AIRFLOW_HOME", "COMPLIANCE_FOLDER")}
        self._process = _processes.Process(
            target=_work, args=(theirs, {**environment, **own}, self._shift, gates), daemon=True
        )
        self._process.start()
        self._is_frozen = False
        theirs.close()

    def begin(self, call: str, *arguments: object, **named: object) -> None:
        """Hand it a step: a function of ``bitbucket_compliance.tasks.bitbucket_compliance``."""
        self._steps.send((call, arguments, named))

    def answer(self, seconds: float = PATIENCE) -> Answer:
        """How the step ended that it was handed last."""
        assert self._steps.poll(seconds), f"worker {self.name} did not answer within {seconds} s"
        answer: Answer = self._steps.recv()
        return answer

    def has_answered(self) -> bool:
        """Whether the step that it was handed last has ended."""
        return self._steps.poll(0)

    def do(self, call: str, *arguments: object, **named: object) -> Answer:
        """Hand it a step and wait for its end."""
        self.begin(call, *arguments, **named)
        return self.answer()

    @property
    def is_there(self) -> bool:
        """Whether it can be handed anything."""
        return self._process.is_alive() and not self._is_frozen

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.join(10)

    def freeze(self) -> None:
        """Stop all of it, as a suspended machine does."""
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        self._is_frozen = True

    def wake(self) -> None:
        """Let it go on where it was stopped."""
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGCONT)
        self._is_frozen = False

    def set_clock(self, seconds: float) -> None:
        """Its clock jumps: it is so far ahead of everybody else's from now on."""
        self._shift.value = seconds

    def fill_disk(self, *, is_full: bool) -> None:
        """From now on not one byte goes into any file of its, or everything again."""
        assert self._process.pid is not None
        most = 0 if is_full else resource.RLIM_INFINITY
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    def end(self) -> None:
        """End it, whatever it is doing."""
        self.kill()
        self._steps.close()


def _work(steps: Connection, environment: dict[str, str], shift: Any, gates: bool) -> None:
    os.environ.update(environment)
    os.chdir(environment["HOME"])
    tempfile.tempdir = None
    logging.disable()
    _go_by(shift)
    with nullcontext() if gates else without_gates(), suppress(EOFError):
        while True:
            call, arguments, named = steps.recv()
            steps.send(_end_of(call, arguments, named))


def _end_of(call: str, arguments: tuple[object, ...], named: dict[str, object]) -> Answer:
    try:
        return Answer("done", getattr(tasks, call)(*arguments, **named))
    except (AirflowSkipException, RunNotNeeded) as reason:
        return Answer("skipped", str(reason))
    except AirflowFailException as error:
        return Answer("failed", str(error))
    except Exception as error:
        return Answer("again", f"{type(error).__name__}: {error}")


def _go_by(shift: Any) -> None:
    """Let every module of the project see a clock that is ``shift`` seconds ahead."""

    class Kind(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, _BEFORE)

    class Shifted(_BEFORE, metaclass=Kind):
        @classmethod
        def now(cls, tz: datetimes.tzinfo | None = None) -> Any:
            return _BEFORE.now(tz) + datetimes.timedelta(seconds=shift.value)

    true_time = time.time
    time.time = lambda: true_time() + shift.value
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in _PACKAGES and getattr(module, "datetime", None) is _BEFORE:
            module.datetime = Shifted  # type: ignore[attr-defined]
