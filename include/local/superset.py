"""Apache Superset: its environment of its own, and its processes.

Superset lives in `.venv-superset` (from reporting/dashboards/requirements.txt): it needs older libraries than the
pipeline. It keeps its own tables in SQLite below its home and listens on loopback.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bitbucket_compliance.commands.command_line import CommandError
from local import environment as env
from local.supervisor import HOST, last_error

FOLDER: Final = env.ROOT / "include" / "bitbucket_compliance" / "reporting" / "dashboards"
LOCK: Final = FOLDER / "requirements.txt"
VENV: Final = env.ROOT / ".venv-superset"
PYTHONS: Final = ((3, 11), (3, 12))
NEEDED_BYTES: Final = 2 * 1024**3

#: the address of the results, where the user runs the Postgres
RESULTS: Final = "COMPLIANCE_DASHBOARD_POSTGRES"


@dataclass(frozen=True)
class Superset:
    """One Superset: where it keeps its tables, which results it shows, and its secrets."""

    home: Path
    results: str
    secret_key: str
    admin_password: str
    viewer_password: str
    log: Path

    @property
    def environment(self) -> dict[str, str]:
        """For its processes: nothing of the pipeline's environment or of another Superset gets in."""
        foreign = ("AIRFLOW", "PYTHON", "SUPERSET", "FLASK", "COMPLIANCE", "GUNICORN")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return kept | {
            "SUPERSET_CONFIG_PATH": str(FOLDER / "superset_config.py"),
            "SUPERSET_HOME": str(self.home),
            "SUPERSET_METADATA_URI": f"sqlite:///{self.home}/superset.db",
            "SUPERSET_SECRET_KEY": self.secret_key,
            "SUPERSET_ADMIN_PASSWORD": self.admin_password,
            "SUPERSET_VIEWER_PASSWORD": self.viewer_password,
            RESULTS: self.results,
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            # Its own libraries' remarks about each other.
            "PYTHONWARNINGS": "ignore",
        }

    def prepare(self) -> None:
        """Create or upgrade its tables, its logins and the dashboard.

        Raises CommandError with the line that says why not.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o700)  # its tables hold hashed passwords
        self._run("Superset could not be prepared", "prepare.py")

    def export(self, folder: Path) -> None:
        """Write the dashboard as it stands in the browser to `folder`, which is replaced.

        Raises CommandError with the line that says why not.
        """
        self._run("the dashboard could not be exported", "export.py", str(folder))

    def _run(self, problem: str, script: str, *arguments: str) -> None:
        command = [_venv_python(), str(FOLDER / script), *arguments]
        with self.log.open("ab") as log:
            start = log.tell()
            done = subprocess.run(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False
            )
        if done.returncode != 0:
            raise CommandError(f"{problem}: {last_error(self.log, start)}")

    def serve(self, port: int) -> subprocess.Popen[bytes]:
        """Start its server on loopback; the caller ends the process."""
        # Threads of one process: SQLite takes one writer, and the work is done in Postgres.
        command = [_venv_python(), "-m", "gunicorn", "--bind", f"{HOST}:{port}", "--workers", "1"]
        options = ["--worker-class", "gthread", "--threads", "8", "--timeout", "120", "superset.app:create_app()"]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*command, *options],
                cwd=self.home,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def is_installed() -> bool:
    """Whether `.venv-superset` was made from the lock as it is now."""
    stamp = VENV / ".complete"
    return Path(_venv_python()).exists() and stamp.exists() and stamp.read_text() == _stamp()


def install() -> None:
    """Make `.venv-superset` from its lock, unless it is there.

    Raises CommandError: no fitting Python, no room, or pip's last error.
    """
    if is_installed():
        return
    python = _find_python()
    free = shutil.disk_usage(env.ROOT).free
    if free < NEEDED_BYTES:
        raise CommandError(
            f"only {free // 2**20} MB free on the disk of {env.ROOT}, {NEEDED_BYTES // 2**20} MB are needed"
        )
    print("setting up .venv-superset, one to two minutes", flush=True)
    shutil.rmtree(VENV, ignore_errors=True)
    log_file = env.LOCAL / "logs" / "dashboard-setup.log"
    log_file.parent.mkdir(parents=True, exist_ok=True)
    pip = ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps"]
    steps = [
        [python, "-m", "venv", str(VENV)],
        # The lock is complete: nothing is resolved here.
        [_venv_python(), *pip, "--require-hashes", "--requirement", str(LOCK)],
    ]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with log_file.open("wb") as log:
        for step in steps:
            if subprocess.run(step, env=clean, stdout=log, stderr=log, check=False).returncode != 0:
                raise CommandError(f"Superset could not be installed: {_pip_error(log_file)} (log: {log_file})")
    (VENV / ".complete").write_text(_stamp())


def _venv_python() -> str:
    return str(VENV / "bin" / "python")


def _stamp() -> str:
    return f"{zlib.crc32(LOCK.read_bytes())}\n"


def _pip_error(log_file: Path) -> str:
    lines = log_file.read_text(errors="replace").splitlines()
    return next((line for line in reversed(lines) if "error" in line.lower()), (lines or ["it said nothing"])[-1])


def _find_python() -> str:
    """A Python that Superset's libraries have wheels for; tried, as version managers leave names that fail."""
    versions = " or ".join(".".join(map(str, version)) for version in PYTHONS)
    given = os.environ.get("PYTHON")
    for candidate in [given] if given else [sys.executable, "python3.12", "python3.11", "python3"]:
        if _version(candidate) in PYTHONS:
            return candidate
    if given:
        raise CommandError(f"PYTHON={given} is not a working Python {versions}, which Superset needs")
    raise CommandError(f"Superset needs Python {versions}: install one, or name it with PYTHON=/path/to/python")


def _version(python: str) -> tuple[int, ...]:
    question = "import ensurepip, sqlite3, ssl, sys, venv; print(*sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", question], capture_output=True, text=True, check=True)
        return tuple(map(int, done.stdout.split()))
    except (OSError, ValueError, subprocess.CalledProcessError):
        return ()
