"""Starting the stand-in: in a thread, for tests and for the command line alike."""

from __future__ import annotations

import socket
import threading
import time
from typing import Literal, Self

import uvicorn

from sandbox.server import create_app
from sandbox.state import SandboxState

HOST = "127.0.0.1"
Workload = Literal["demo", "reference"]


def build_state(workload: Workload = "demo", repositories: int | None = None) -> SandboxState:
    """The state of a workload; ``repositories`` sizes the reference workload and cuts the demo."""
    if workload == "reference":
        from sandbox.reference import reference_state

        return reference_state(repositories or 20)
    from sandbox.demo import demo_state

    state = demo_state()
    if repositories is not None:
        del state.workspaces[0].repositories[repositories:]
    return state


class SandboxServer:
    """A stand-in on a free port of 127.0.0.1, served from a thread; also a context manager.

    ``url`` is scheme, host and port without a slash at the end; ``state`` can be read and switched while
    it runs. ``stop()`` may be called twice.
    """

    def __init__(
        self,
        state: SandboxState | None = None,
        *,
        workload: Workload = "demo",
        repositories: int | None = None,
        latency_ms: float = 0.0,
        port: int = 0,
    ) -> None:
        self.state = state if state is not None else build_state(workload, repositories)
        if latency_ms:
            self.state.latency_ms = latency_ms
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((HOST, port))
        self.url = f"http://{HOST}:{self._socket.getsockname()[1]}"
        self._server = uvicorn.Server(
            uvicorn.Config(
                create_app(self.state),
                log_level="critical",
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="sandbox", daemon=True)

    def start(self) -> Self:
        """Serve in a thread; returns once requests are answered."""
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError(f"the sandbox did not start on {self.url}")
            time.sleep(0.01)
        return self

    def stop(self) -> None:
        """Stop serving and free the port."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        self.state.deliveries.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *problem: object) -> None:
        self.stop()
