"""Where processes of ours listen, and how they are ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from typing import Final

import psutil

HOST: Final = "127.0.0.1"


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


def free_port(preferred: int = 0) -> int:
    """The preferred port of loopback, or any free one where that is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, preferred))
        except OSError:
            probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
