"""The environment of a server: what its locks name and nothing else, made once for each state of the locks."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.server_lock import IMAGE_FOLDERS, LOCKS

ROOT: Final = Path(__file__).resolve().parents[2]
KEPT: Final = ROOT / ".local" / "server-environments"
#: variables of another Airflow, or another Python
_OTHERS: Final = ("AIRFLOW", "COMPLIANCE", "PYTHON", "VIRTUAL_ENV")


def server_programs() -> Path:
    """The folder of the programs (``python``, ``airflow``, ``celery``) of an environment that holds the locks.

    It stays for the next time; one of earlier locks is removed.

    Raises:
        subprocess.CalledProcessError: something could not be installed, or the locks don't go together.
    """
    wanted = KEPT / _digest()
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (wanted / "whole").exists():
            for old in KEPT.iterdir():
                if old.is_dir():
                    shutil.rmtree(old)
            _make(wanted)
            (wanted / "whole").touch()
    return wanted / "bin"


def copy_image(folder: Path) -> Path:
    """Copy what a server's image holds of this project to a new folder; returns it."""
    for source in IMAGE_FOLDERS:
        shutil.copytree(ROOT / source, folder / source, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def without_others(environment: Mapping[str, str]) -> dict[str, str]:
    """The same without what is meant for another Airflow or another Python."""
    return {name: value for name, value in environment.items() if not name.startswith(_OTHERS)}


def _digest() -> str:
    made_of = [sys.version.encode(), sys.executable.encode(), *((ROOT / lock).read_bytes() for lock in LOCKS)]
    return hashlib.sha256(b"\n".join(made_of)).hexdigest()[:16]


def _make(folder: Path) -> None:
    python = folder / "bin" / "python"
    # Nothing is resolved, and nothing taken without its hash: what pip does for the image, but faster.
    install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", python, "--no-deps"]
    locks = [part for lock in LOCKS for part in ("--requirement", ROOT / lock)]
    for step in (
        [sys.executable, "-m", "venv", folder],
        [*install, "--require-hashes", *locks],
        [python, "-m", "pip", "check", "--disable-pip-version-check"],
    ):
        subprocess.run(step, check=True, env=without_others(os.environ), stdout=subprocess.DEVNULL)
