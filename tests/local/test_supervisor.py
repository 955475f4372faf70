"""Programs in the background: started, found again, stopped, and never mistaken for another process."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import psutil
import pytest

from bitbucket_compliance.commands.command_line import CommandError
from local import __main__ as command_line
from local import environment as env
from local import supervisor
from local.processes import free_port
from local.supervisor import Background, require_free

pytestmark = pytest.mark.slow

PROGRAM = """
import subprocess, sys
from bitbucket_compliance.commands.command_line import CommandError
from pathlib import Path
from local import supervisor
from local.processes import free_port

def run():
    if sys.argv[2] == "broken":
        raise CommandError("it has no legs")
    toy = supervisor.Background("Toy", "toy", Path(sys.argv[1]), Path(sys.argv[1]) / "log", "stop", "/", bool)
    port = free_port()
    server = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    toy.hold(subprocess.Popen(server, start_new_session=True), f"http://127.0.0.1:{port}")

sys.exit(supervisor.supervise(run))
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Background:
    (tmp_path / "toy.py").write_text(PROGRAM)
    monkeypatch.setattr(env, "LOCAL", tmp_path)
    monkeypatch.setattr(env, "PYTHONPATH", os.pathsep.join([env.PYTHONPATH, str(tmp_path)]))
    home = tmp_path / "toy home"
    return Background("Toy", "toy", home, home / "log", "make toy-down", "/", lambda answer: b"Directory" in answer)


# It outlives the command that started it, as it should.
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
def test_a_program_is_started_found_and_stopped(toy: Background, capsys: pytest.CaptureFixture[str]) -> None:
    assert toy.running_at() is None
    url = toy.start(str(toy.home), "well")
    try:
        assert toy.running_at() == url and toy.is_healthy(url)
        below = psutil.Process(json.loads((toy.home / "up.json").read_text())["pid"]).children(recursive=True)
        assert below
    finally:
        toy.stop()
    assert toy.running_at() is None and not toy.is_healthy(url)
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in below)
    assert capsys.readouterr().out.splitlines() == ["starting Toy, this takes half a minute", "stopped Toy"]


def test_one_that_does_not_come_up_says_why(toy: Background) -> None:
    with pytest.raises(CommandError, match=r"Toy did not come up: it has no legs \(log: ") as failed:
        toy.start(str(toy.home), "broken")
    assert "\n" not in str(failed.value)


def test_a_number_that_another_process_carries_by_now_is_left_alone(toy: Background) -> None:
    toy.home.mkdir()
    (toy.home / "up.json").write_text(json.dumps({"pid": os.getpid(), "url": "http://127.0.0.1:1"}))
    assert toy.running_at() is None
    toy.stop()
    assert not (toy.home / "up.json").exists()


def test_a_port_that_is_taken_is_named_and_another_is_found() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(CommandError, match=f"port {port} of 127.0.0.1 is taken"):
            require_free(port)
        assert free_port(port) != port
    require_free(0)


@pytest.mark.parametrize("command", ["up", "dashboard"])
def test_a_page_on_a_port_that_is_taken_starts_nothing(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(supervisor.Background, "running_at", lambda _: None)
    monkeypatch.setattr(supervisor.Background, "start", lambda *_: pytest.fail("something was started"))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        monkeypatch.setenv("PORT", str(other.getsockname()[1]))
        assert command_line.main([command]) == 1
    assert "is taken: name another one with PORT" in capsys.readouterr().err
