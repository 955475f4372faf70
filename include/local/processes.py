"""How processes that we started are ended."""

from __future__ import annotations

import contextlib
import os
import signal

import psutil


def end(pid: int, seconds: float = 15) -> None:
    """Ask the leader of a session and all that it started to end; what has not by then is killed."""
    with contextlib.suppress(psutil.NoSuchProcess):
        leader = psutil.Process(pid)
        group = [leader, *leader.children(recursive=True)]
        for process in group:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        for process in psutil.wait_procs(group, timeout=seconds)[1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
    # What lost its parent is in the session still.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
