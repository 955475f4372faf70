"""Extraction and landing against the ideal and against others, all from one server; ``make bench-extract``.

The ideal is the number of requests times the latency, shared by the connections: what connections that never idle would
take. Each contender is a process of its own that lands into an empty database of one embedded Postgres. They take
turns, so that a noisy machine is noisy for all; the table shows medians.

The server is the sandbox, in its own process. Its answers leave one latency after the request reached its handler: the
time it works on an answer is part of the latency, as with a real server. What it spends on a request is printed; where
that is much, its figures say more about the server than about who asks.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.request import Request, urlopen

import psutil
import psycopg

from bitbucket_compliance.security_tests.upgrade import upgrade
from local.postgres import EmbeddedPostgres

ROOT = Path(__file__).resolve().parents[2]
#: dlt, and what the catalogue of resources needs, which says what is asked.
DLT = f"dlt[postgres]==1.31.0 pydantic=={version('pydantic')}"
DLT_HOME = ROOT / ".local" / "bench-dlt"
TEMPLATE = "bench_template"

MOST_RATIO = 1.12
MOST_MB = 120.0
#: How much more memory four times the repositories may take before it counts as growth, in MB.
MOST_GROWTH_MB = 5.0
#: Two medians closer than this, as a part of the smaller, are the same.
NOISE = 0.01
SHARE_OF_SEQUENTIAL = 0.1
OURS = "ours"


@dataclass(frozen=True)
class Contender:
    """Who takes part.

    Attributes:
        module: the program, below ``tests.bench.baselines``.
        options: of the program, whatever it is run for.
        landing: options that make it land; empty where the database's address does.
        apart: whether extraction alone takes a run of its own.
        whole: whether it reads every repository.
    """

    name: str
    module: str
    options: tuple[str, ...] = ()
    landing: tuple[str, ...] = ()
    connections: int = 8
    python: str = sys.executable
    apart: bool = True
    whole: bool = True


@dataclass(frozen=True)
class Result:
    """One run: what the contender says of itself, what the server says of it."""

    measured: dict[str, Any]
    requests: int
    server_cpu: float


@dataclass
class Column:
    """All runs of one contender."""

    extractions: list[Result] = field(default_factory=list)
    landings: list[Result] = field(default_factory=list)
    idle: list[Result] = field(default_factory=list)


class Sandbox:
    """The stand-in with the reference workload, in a process of its own."""

    def __init__(self, repositories: int) -> None:
        self.repositories = repositories
        command = [sys.executable, "-m", "sandbox", "--workload", "reference"]
        self._process = subprocess.Popen(
            [*command, "--repositories", str(repositories)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise SystemExit("the sandbox did not start")
        self.url = line.split()[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(timeout=30)

    def begin(self, latency: float) -> None:
        """Forget what was asked; answers take ``latency`` milliseconds from here on."""
        self._call("reset", {})
        self._call("settings", {"latency_ms": latency})

    def requests(self) -> int:
        """API requests since ``begin``, those for tokens not among them."""
        return int(self._call("stats")["api_requests"])

    def cpu(self) -> float:
        """Processor seconds spent so far."""
        spent = psutil.Process(self._process.pid).cpu_times()
        return float(spent.user + spent.system)

    def _call(self, what: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}/_sandbox/{what}", data, {"Content-Type": "application/json"})  # noqa: S310
        with urlopen(request, timeout=30) as answer:  # noqa: S310 - our own server on loopback
            found: dict[str, Any] = json.load(answer)
        return found


class Bench:
    """Runs contenders, each in a database of its own.

    Args:
        latency: milliseconds.
    """

    def __init__(self, postgres: EmbeddedPostgres, latency: float) -> None:
        self._postgres, self.latency = postgres, latency
        self._databases = 0

    def run(self, contender: Contender, sandbox: Sandbox, *, lands: bool, latency: float) -> Result:
        """One run of one contender.

        Raises:
            SystemExit: it failed; what it wrote was shown.
        """
        command = [contender.python, "-m", f"tests.bench.baselines.{contender.module}", "--url", sandbox.url]
        command += ["--connections", str(contender.connections), *contender.options]
        if lands:
            command += contender.landing
        with self._database() as dsn:
            if lands or contender.landing:
                command += ["--dsn", dsn]
            sandbox.begin(latency)
            before = sandbox.cpu()
            done = subprocess.run(command, cwd=ROOT, env=_environment(), stdout=subprocess.PIPE, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{contender.name} failed with exit code {done.returncode}")
            return Result(json.loads(done.stdout.splitlines()[-1]), sandbox.requests(), sandbox.cpu() - before)

    @contextmanager
    def _database(self) -> Iterator[str]:
        self._databases += 1
        name = f"bench_{self._databases}"
        self._admin(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        try:
            yield self._postgres.uri(name)
        finally:
            self._admin(f"DROP DATABASE {name} WITH (FORCE)")

    def _admin(self, statement: str) -> None:
        with psycopg.connect(self._postgres.uri("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())


def main() -> None:
    """Measure, print one table; exit code 1 where a goal is missed."""
    given = _arguments()
    # Terminated, it takes its servers along as it does when interrupted.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    contenders = _contenders(given.dlt, given.connections)
    with ExitStack() as stack:
        bench = Bench(stack.enter_context(_postgres()), given.latency)
        sandbox = stack.enter_context(Sandbox(given.repositories))
        columns = {contender.name: Column() for contender in contenders}
        for repetition in range(given.repetitions):
            _say(f"repetition {repetition + 1} of {given.repetitions}")
            for contender in contenders:
                _measure(bench, sandbox, contender, columns[contender.name])
        few = stack.enter_context(Sandbox(given.repositories // 4))
        small = bench.run(contenders[0], few, lands=True, latency=given.latency)
    _demand_the_same(contenders, columns)
    _table(contenders, columns, given)
    missed = _missed(contenders, columns, small, given)
    for line in missed:
        print(f"missed: {line}")
    if missed:
        raise SystemExit(1)


def _arguments() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--repositories", type=int, default=200)
    options.add_argument("--latency", type=float, default=100.0, help="milliseconds")
    options.add_argument("--connections", type=int, default=8)
    options.add_argument("--repetitions", type=int, default=3)
    options.add_argument(
        "--dlt", choices=("none", "tuned", "both"), default="tuned", help="both: also as it comes, which takes minutes"
    )
    return options.parse_args()


def _contenders(dlt: str, connections: int) -> list[Contender]:
    sequential = ("--trimmed", "--share", str(SHARE_OF_SEQUENTIAL))
    found = [
        Contender(OURS, "ours", landing=("--land",), connections=connections),
        Contender("loop, trimmed", "loop", ("--trimmed",), connections=connections),
        Contender("loop, untrimmed", "loop", connections=connections),
        Contender("sequential loop", "loop", sequential, connections=1, apart=False, whole=False),
    ]
    if dlt != "none":
        python = _dlt_environment()
        found.append(
            Contender("dlt, tuned", "rest_api", ("--tuned",), connections=connections, python=python, apart=False)
        )
        if dlt == "both":
            found.append(Contender("dlt as it comes", "rest_api", connections=connections, python=python, apart=False))
    return found


def _dlt_environment() -> str:
    """The interpreter of dlt's own environment, made the first time."""
    python = DLT_HOME / "bin" / "python"
    stamp = DLT_HOME / ".complete"
    if not stamp.exists() or stamp.read_text() != DLT:
        _say(f"installing {DLT} into {DLT_HOME.relative_to(ROOT)}")
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(DLT_HOME)], check=True)
        subprocess.run([*uv, "pip", "install", "--quiet", "--python", str(python), *DLT.split()], check=True)
        stamp.write_text(DLT)
    return str(python)


def _environment() -> dict[str, str]:
    path = os.pathsep.join((str(ROOT / "include"), str(ROOT / "plugins")))
    return {**os.environ, "PYTHONPATH": path}


@contextmanager
def _postgres() -> Iterator[EmbeddedPostgres]:
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedPostgres(Path(folder) / "data")
        server.start()
        try:
            with psycopg.connect(server.uri("postgres"), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {TEMPLATE}")
            upgrade(server.uri(TEMPLATE))
            yield server
        finally:
            server.delete()


def _measure(bench: Bench, sandbox: Sandbox, contender: Contender, column: Column) -> None:
    """One repetition of one contender."""
    if contender.apart:
        column.extractions.append(bench.run(contender, sandbox, lands=False, latency=bench.latency))
    column.landings.append(bench.run(contender, sandbox, lands=True, latency=bench.latency))
    if contender.whole:
        column.idle.append(bench.run(contender, sandbox, lands=True, latency=0.0))
    result = column.landings[-1]
    _say(f"  {contender.name:<16} {result.measured['landed']:6.2f} s, {result.requests} requests")


# ------------------------------------------------------------------- what came out


def _ratio(result: Result, seconds: str, latency: float, connections: int) -> float | None:
    taken = result.measured[seconds]
    return None if taken is None else taken / (result.requests * latency / 1000 / connections)


def _ratios(results: Sequence[Result], seconds: str, latency: float, connections: int) -> list[float]:
    found = (_ratio(result, seconds, latency, connections) for result in results)
    return [ratio for ratio in found if ratio is not None]


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else float("nan")


def _table(contenders: Sequence[Contender], columns: dict[str, Column], given: argparse.Namespace) -> None:
    print(
        f"\n{given.repositories} repositories, {given.latency:g} ms, {given.connections} connections, "
        f"median (best) of {given.repetitions}; ratio = wall ÷ (requests × latency ÷ connections)"
    )
    print(
        f"{'':<28} {'requests':>8} {'wall s':>7} {'extraction':>13} {'with landing':>13}"
        f" {'peak MB':>8} {'CPU s at 0 ms':>14}"
    )
    for contender in contenders:
        column = columns[contender.name]
        _row(contender.name, contender.connections, column, given.latency)
        if contender.connections != given.connections:
            _row(f"{contender.name} against {given.connections}", given.connections, column, given.latency)
    cores, load = os.cpu_count() or 1, os.getloadavg()[1]
    if load > cores:
        print(f"the machine is busy (load {load:.1f} on {cores} cores): what counts is how the rows compare")
    spent = [result.server_cpu / result.requests for column in columns.values() for result in column.idle]
    print(f"the server spends {_median(spent) * 1000:.1f} ms of processor time on a request")


def _row(name: str, connections: int, column: Column, latency: float) -> None:
    landings = column.landings
    apart = column.extractions or landings
    wall = _median([result.measured["landed"] for result in landings])
    peak = max(result.measured["peak_mb"] for result in landings)
    cpu = _median([result.measured["cpu"] for result in column.idle])
    extraction = _ratios(apart, "extraction", latency, connections)
    landed = _ratios(landings, "landed", latency, connections)
    print(
        f"{name:<28} {landings[-1].requests:>8} {wall:>7.2f} {_shown(extraction):>13} {_shown(landed):>13}"
        f" {peak:>8.0f} {cpu:>14.2f}".replace("nan", "  –")
    )


def _shown(ratios: Sequence[float]) -> str:
    return f"{_median(ratios):.3f} ({min(ratios):.3f})" if ratios else "–"


def _missed(
    contenders: Sequence[Contender], columns: dict[str, Column], small: Result, given: argparse.Namespace
) -> list[str]:
    """What ours does not reach."""
    ours = columns[OURS]
    ratio = _median(_ratios(ours.landings, "landed", given.latency, given.connections))
    peak = max(result.measured["peak_mb"] for result in ours.landings)
    growth = peak - small.measured["peak_mb"]
    sizes = given.repositories // 4, given.repositories
    print(f"memory of ours: {peak - growth:.1f} MB with {sizes[0]} repositories, {peak:.1f} MB with {sizes[1]}")
    found = []
    if ratio > MOST_RATIO:
        found.append(f"extraction and landing take {ratio:.3f} of the ideal, more than {MOST_RATIO}")
    if peak > MOST_MB:
        found.append(f"{peak:.0f} MB, more than {MOST_MB:.0f}")
    if growth > MOST_GROWTH_MB:
        found.append(f"{growth:.1f} MB more for four times the repositories")
    return found + _behind(contenders, columns)


def _demand_the_same(contenders: Sequence[Contender], columns: dict[str, Column]) -> None:
    """Stop where somebody who reads everything landed another number of objects: nothing would be compared."""
    landed = {
        c.name: {result.measured["objects"] for result in columns[c.name].landings} for c in contenders if c.whole
    }
    if len(set().union(*landed.values())) > 1:
        raise SystemExit(f"the contenders did not land the same objects: {landed}")


def _behind(contenders: Sequence[Contender], columns: dict[str, Column]) -> list[str]:
    """Whom ours is behind in seconds; the sequential loop reads a part alone, so seconds a request are compared."""
    pace = {
        name: _median([result.measured["landed"] / result.requests for result in column.landings])
        for name, column in columns.items()
    }
    return [
        f"slower than {contender.name}"
        for contender in contenders[1:]
        if pace[OURS] > pace[contender.name] * (1 + NOISE)
    ]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
