"""Programs in the background: a supervising process of ours starts one, holds it, and ends what it started.

`Background.start` starts the supervisor and waits until the program answers; the supervisor runs the program by
`Background.hold`, and names its process and the program's address in a state file as long as it does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from bitbucket_compliance.commands.command_line import CommandError
from bitbucket_compliance.core.errors import PipelineError
from local import environment as env
from local.processes import HOST, end, free_port
from local.services import embedded_postgres

START_TIMEOUT_SECONDS: Final = 180
STOP_TIMEOUT_SECONDS: Final = 30


@dataclass(frozen=True)
class Background:
    """A program in the background.

    Attributes:
        name: how messages call it.
        module: the module of its supervisor, run with `python -m`.
        home: its folder.
        log: where its supervisor and it write.
        stopped_by: the command that stops it.
        health: path of the page that says whether it is well; is_well: whether such a page's content says so.
    """

    name: str
    module: str
    home: Path
    log: Path
    stopped_by: str
    health: str
    is_well: Callable[[bytes], bool]

    @property
    def _state_file(self) -> Path:
        return self.home / "up.json"

    def running_at(self) -> str | None:
        """Address of the program where it runs."""
        return self._state().get("url") if self._supervisor() else None

    def start(self, *arguments: str) -> str:
        """Start it with these arguments for its supervisor; returns its address once it answers.

        Raises:
            CommandError: it does not come up; says why.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.home.mkdir(parents=True, exist_ok=True)
        self._state_file.unlink(missing_ok=True)
        print(f"starting {self.name}, this takes half a minute", flush=True)
        with self.log.open("ab") as log:
            log_start = log.tell()
            supervisor = subprocess.Popen(
                [sys.executable, "-m", self.module, *arguments],
                cwd=env.ROOT,
                env=os.environ | {"PYTHONPATH": env.PYTHONPATH},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            return self._wait_until_healthy(supervisor, log_start)
        except BaseException:
            supervisor.terminate()
            raise

    def stop(self) -> None:
        """Stop it, and the embedded Postgres where nobody uses it any more."""
        supervisor = self._supervisor()
        if supervisor is not None:
            end(supervisor.pid, STOP_TIMEOUT_SECONDS)
            print(f"stopped {self.name}")
        self._state_file.unlink(missing_ok=True)
        embedded_postgres().close()

    def hold(self, program: subprocess.Popen[bytes], url: str) -> None:
        """In the supervisor: run the program, which answers at `url`, until a signal comes; then end it.

        Raises:
            CommandError: the program ended by itself.
        """
        try:
            self._state_file.write_text(json.dumps({"pid": os.getpid(), "url": url}))
            program.wait()
            raise CommandError(f"{self.name} ended with exit code {program.returncode}")
        finally:
            self._state_file.unlink(missing_ok=True)
            end(program.pid)
            program.wait()

    def is_healthy(self, url: str) -> bool:
        """Whether the program at `url` says that it is well."""
        try:
            with urllib.request.urlopen(url.rstrip("/") + self.health, timeout=5) as answer:  # noqa: S310 - our own  # nosec B310
                return self.is_well(answer.read())
        except (OSError, ValueError):
            return False

    def _state(self) -> dict[str, str]:
        try:
            state: dict[str, str] = json.loads(self._state_file.read_text())
        except (OSError, ValueError):
            return {}
        return state

    def _supervisor(self) -> psutil.Process | None:
        """The supervising process, if it lives; a number that another program has by now doesn't count."""
        try:
            process = psutil.Process(int(self._state()["pid"]))
            is_ours = self.module in process.cmdline()
        except (KeyError, ValueError, psutil.Error):
            return None
        return process if is_ours else None

    def _wait_until_healthy(self, supervisor: subprocess.Popen[bytes], log_start: int) -> str:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline and supervisor.poll() is None:
            url = self._state().get("url")
            if url and self.is_healthy(url):
                return url
            time.sleep(0.3)
        raise CommandError(f"{self.name} did not come up: {last_error(self.log, log_start)} (log: {self.log})")


def supervise(work: Callable[[], None]) -> int:
    """The main function of a supervisor: the exit code of `work`, which a signal ends."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        work()
    except KeyboardInterrupt:
        return 0
    except PipelineError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def last_error(log: Path, start: int = 0) -> str:
    """The last line of the log, written since byte `start`, that was meant for the person."""
    lines = log.read_bytes()[start:].decode("utf-8", "replace").splitlines() if log.exists() else []
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (errors or [line for line in lines if "Error" in line] or ["see the log"])[-1]


def require_free(port: int) -> None:
    """Raise CommandError where somebody listens on the port."""
    if port and free_port(port) != port:
        raise CommandError(f"port {port} of {HOST} is taken: name another one with --port")
