"""The frame of a contender: its command line, what is measured of it, and the line of JSON it prints.

Standard library alone, as dlt runs in an environment of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

KEY, SECRET = "demo-admin-key", "demo-admin-secret"
WORKSPACE = "reference"


@dataclass
class Measured:
    """What one run of a contender cost.

    Attributes:
        objects: objects read (and landed, where it landed any).
        extraction: seconds to the last answer; None where it was not told apart from landing.
        landed: seconds to the last commit; None where nothing was landed.
        cpu: processor seconds within that time, children included, imports not.
        peak_mb: the most memory the process ever held, imports included.
    """

    objects: int = 0
    extraction: float | None = None
    landed: float | None = None
    cpu: float = 0.0
    peak_mb: float = 0.0

    def print(self) -> None:
        """One line for the bench to read."""
        self.peak_mb = _peak_mb()
        print(json.dumps(asdict(self)), flush=True)


@contextmanager
def timed(measured: Measured, *, lands: bool) -> Iterator[None]:
    """Measure what happens inside: its seconds count as landed, or as extraction where nothing lands."""
    began, used = time.monotonic(), _cpu()
    yield
    seconds = time.monotonic() - began
    measured.cpu = _cpu() - used
    if lands:
        measured.landed = seconds
    else:
        measured.extraction = seconds


def parser(purpose: str | None) -> argparse.ArgumentParser:
    """The options every contender has: the server and, where it lands, the database."""
    options = argparse.ArgumentParser(description=purpose)
    options.add_argument("--url", required=True, help="origin of the sandbox")
    options.add_argument("--dsn", default=None, help="database to land into; nothing is landed without")
    options.add_argument("--connections", type=int, default=8)
    return options


def _cpu() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _peak_mb() -> float:
    """The high-water mark of resident memory.

    Linux hands ``ru_maxrss`` of whoever started a process down to it, so the process's own mark is read there.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1024 / (1024 if os.uname().sysname == "Darwin" else 1)
