"""`include/local/setup.sh`: says in one line why it can't work, and is quick when there is nothing to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local.environment import ROOT

pytestmark = pytest.mark.slow

LOCKS = ("requirements.txt", "tests/requirements.txt")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with locks of no packages, below a path with a space."""
    root = tmp_path / "my checkout"
    (root / "include" / "local").mkdir(parents=True)
    shutil.copy(ROOT / "include" / "local" / "setup.sh", root / "include" / "local")
    (root / "tests").mkdir()
    for lock in LOCKS:
        (root / lock).write_text("")
    return root


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A PATH of its own: the programs of a bare machine and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "cat", "cksum", "df", "awk", "dirname", "mkdir", "cp", "rm", "tail", "grep"):
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return folder


def _program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def _python(folder: Path, name: str) -> None:
    _program(folder, name, f'exec "{sys.executable}" "$@"')


def _quick_python(folder: Path, name: str) -> None:
    """As above, but its environments are a copy of this script: making a real one takes seconds."""
    make = 'mkdir -p "$3/bin" && cp "$0" "$3/bin/python"'
    _program(folder, name, f'if [ "$2" = venv ]; then {make}; else exec "{sys.executable}" "$@"; fi')


def _set_up(checkout: Path, tools: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(checkout / "include" / "local" / "setup.sh")],
        env={"PATH": str(tools), "HOME": os.environ.get("HOME", "/"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def _refusal(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode != 0
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_without_a_python_it_says_so_in_one_line(checkout: Path, tools: Path) -> None:
    assert "no working Python 3.12, 3.11 or 3.13 found" in _refusal(_set_up(checkout, tools))
    assert not (checkout / ".venv").exists()


def test_a_name_in_path_that_fails_when_called_is_passed_over(checkout: Path, tools: Path) -> None:
    _program(tools, "python3.12", "echo 'python3.12: command not found' >&2; exit 127")
    _python(tools, "python3.11")
    result = _set_up(checkout, tools)
    assert result.returncode == 0, result.stderr
    assert (checkout / ".venv" / "bin" / "python").exists()


def test_a_named_python_that_does_not_work_is_named(checkout: Path, tools: Path) -> None:
    _quick_python(tools, "python3.12")
    assert "PYTHON=/nowhere/python" in _refusal(_set_up(checkout, tools, PYTHON="/nowhere/python"))


def test_a_python_without_venv_module_is_told_apart_from_none(checkout: Path, tools: Path) -> None:
    _program(tools, "python3.12", "exit 4")
    assert "python3.12 lacks its venv module" in _refusal(_set_up(checkout, tools))


def test_a_full_disk_is_told_before_anything_is_made(checkout: Path, tools: Path) -> None:
    _quick_python(tools, "python3.12")
    _program(tools, "df", "echo header; echo /dev/disk 9000000 8000000 1048576 89% /")
    assert "only 1024 MB free" in _refusal(_set_up(checkout, tools))
    assert not (checkout / ".venv").exists()


def test_a_second_call_is_quick_and_silent(checkout: Path, tools: Path) -> None:
    _quick_python(tools, "python3.12")
    assert len(_set_up(checkout, tools).stderr.splitlines()) == 1
    began = time.monotonic()
    again = _set_up(checkout, tools)
    assert time.monotonic() - began < 10
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_a_half_built_environment_is_built_again(checkout: Path, tools: Path) -> None:
    _quick_python(tools, "python3.12")
    _set_up(checkout, tools)
    (checkout / ".venv" / ".complete").unlink()
    (checkout / ".venv" / "left over").touch()
    assert _set_up(checkout, tools).returncode == 0
    assert not (checkout / ".venv" / "left over").exists()


@pytest.mark.parametrize("lock", LOCKS)
def test_a_changed_lock_builds_again(checkout: Path, tools: Path, lock: str) -> None:
    _quick_python(tools, "python3.12")
    _set_up(checkout, tools)
    (checkout / ".venv" / "left over").touch()
    (checkout / lock).write_text("# another lock\n")
    assert _set_up(checkout, tools).returncode == 0
    assert not (checkout / ".venv" / "left over").exists()


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_that_can_not_be_installed_is_one_line_and_leaves_no_stamp(
    checkout: Path, tools: Path, lock: str
) -> None:
    _quick_python(tools, "python3.12")
    (checkout / lock).write_text("./no-such-package\n")
    result = _set_up(checkout, tools)
    assert result.returncode != 0
    assert result.stderr.splitlines()[-1].startswith("error: pip could not install the locks: ")
    assert not (checkout / ".venv" / ".complete").exists()
