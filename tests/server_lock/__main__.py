"""Install what a server runs, and nothing else, in an environment of its own, and load DAGs and plugins there.

`make test-server-lock`. No pytest is needed: a server has none.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.server_lock import IMAGE_FOLDERS, LOCKS

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    with TemporaryDirectory(prefix="server-lock-") as folder:
        home = Path(folder)
        python = str(home / "venv" / "bin" / "python")
        install = ["uv", "pip", "install", "--quiet", "--python", python, "--no-deps", "--require-hashes"]
        locks = [part for lock in LOCKS for part in ("--requirement", str(ROOT / lock))]
        steps = [
            [sys.executable, "-m", "venv", str(home / "venv")],
            # Nothing is resolved, and nothing taken without its hash: what pip does for the image, but faster.
            [sys.executable, "-m", *install, *locks],
            [python, "-m", "pip", "check", "--disable-pip-version-check"],
            [python, str(Path(__file__).with_name("load.py")), str(home / "pipeline")],
            [python, "-m", "airflow", "celery", "worker", "--help"],
        ]
        for source in IMAGE_FOLDERS:
            shutil.copytree(ROOT / source, home / "pipeline" / source, ignore=shutil.ignore_patterns("__pycache__"))
        for step in steps:
            # What a command would be told of itself is of no interest.
            out = subprocess.DEVNULL if "--help" in step else None
            done = subprocess.run(step, env=_environment(home), cwd=home, stdout=out, check=False)
            if done.returncode != 0:
                print(f"failed: {' '.join(step)}", file=sys.stderr)
                return 1
    return 0


def _environment(home: Path) -> dict[str, str]:
    """A server's environment: no connection, no setting of another Airflow, the paths of docker-compose.yaml."""
    others = ("AIRFLOW", "COMPLIANCE", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    pipeline = home / "pipeline"
    return kept | {
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(pipeline / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(pipeline / "plugins"),
        "GX_ANALYTICS_ENABLED": "false",
        "PYTHONPATH": f"{pipeline / 'include'}{os.pathsep}{pipeline / 'plugins'}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


if __name__ == "__main__":
    sys.exit(main())
