"""Apache Superset: its environment of its own, and its processes.

Superset lives in `.venv-superset` (from reporting/dashboards/requirements.txt): it needs older libraries than the
pipeline. It keeps its own tables in SQLite below its home and listens on loopback.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bitbucket_compliance.commands.command_line import CommandError
from local import environment as env
from local.processes import HOST
from local.supervisor import last_error

FOLDER: Final = env.ROOT / "include" / "bitbucket_compliance" / "reporting" / "dashboards"
LOCK: Final = FOLDER / "requirements.txt"
VENV: Final = env.ROOT / ".venv-superset"

#: the address of the results, where the user runs the Postgres
RESULTS: Final = "COMPLIANCE_DASHBOARD_POSTGRES"
#: where a browser finds Airflow, for links to the console
CONSOLE: Final = "COMPLIANCE_CONSOLE_URL"


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
            CONSOLE: os.environ.get(CONSOLE, ""),
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
    """Whether `.venv-superset` is there."""
    return (VENV / ".complete").exists()


def install() -> None:
    """Make `.venv-superset` from its lock, unless it is there and was made from the lock as it is now.

    Raises CommandError with the line that says why not.
    """
    # Its own pip must not find the pipeline's libraries.
    clean = {name: value for name, value in os.environ.items() if name == "PYTHON" or not name.startswith("PYTHON")}
    command = ["sh", str(env.ROOT / "include" / "local" / "setup.sh"), VENV.name, str(LOCK.relative_to(env.ROOT)), "12"]
    with subprocess.Popen(command, env=clean, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None  # noqa: S101 - Popen was given PIPE
        for line in process.stderr:
            if line.startswith("error: "):
                raise CommandError(f"Superset: {line.removeprefix('error: ').strip()}")
            print(line, end="", flush=True)


def _venv_python() -> str:
    return str(VENV / "bin" / "python")
