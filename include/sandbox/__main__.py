"""The command line: ``python -m sandbox [--port 0] [--workload demo|reference] …``."""

from __future__ import annotations

import argparse
import gc
import signal
import sys
from pathlib import Path

from sandbox.process import SandboxServer


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A stand-in for Bitbucket Cloud.")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--workload", choices=("demo", "reference"), default="demo")
    parser.add_argument("--repositories", type=int, default=None, help="how many repositories (reference: 20)")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="how long each answer takes")
    parser.add_argument("--ready-file", type=Path, default=None, help="file that gets the URL once it listens")
    return parser.parse_args(argv)


def _announce(server: SandboxServer, ready_file: Path | None) -> None:
    """Write the URL to the ready file, in one step so that nobody reads half of it, then print it."""
    if ready_file is not None:
        draft = ready_file.with_name(ready_file.name + ".part")
        draft.write_text(server.url + "\n", encoding="utf-8")
        draft.replace(ready_file)
    print(f"sandbox listening on {server.url}", flush=True)


def main(argv: list[str] | None = None) -> int:
    """Serve until interrupted or terminated; 1 with one line where the port can't be had."""
    options = _arguments(argv)
    try:
        server = SandboxServer(
            workload=options.workload,
            repositories=options.repositories,
            latency_ms=options.latency_ms,
            port=options.port,
        )
    except OSError as problem:
        print(f"sandbox: port {options.port} on 127.0.0.1: {problem.strerror}", file=sys.stderr)
        return 1
    # A workload of thousands of repositories lives as long as the process: not worth going through at each collection.
    gc.freeze()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with server:
            _announce(server, options.ready_file)
            signal.pause()
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
