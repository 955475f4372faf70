"""Install what a server runs, and nothing else, in an environment of its own, and load DAGs and plugins there.

`make test-server-lock`. No pytest is needed: a server has none.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.server_lock.environment import copy_image, server_programs, without_others

CELERY_APP = "airflow.providers.celery.executors.celery_executor.app"


def main() -> int:
    python = str(server_programs() / "python")
    with TemporaryDirectory(prefix="server-lock-") as folder:
        home = Path(folder)
        pipeline = copy_image(home / "pipeline")
        steps = [
            [python, str(Path(__file__).with_name("load.py")), str(pipeline)],
            # What a worker loads before it takes a task; `airflow celery worker --help` loads none of it.
            [python, "-m", "celery", "--app", CELERY_APP, "report"],
        ]
        for step in steps:
            # A report about the machine is of no interest.
            out = subprocess.DEVNULL if "report" in step else None
            done = subprocess.run(step, env=_environment(home), cwd=home, stdout=out, check=False)
            if done.returncode != 0:
                print(f"failed: {' '.join(step)}", file=sys.stderr)
                return 1
    return 0


def _environment(home: Path) -> dict[str, str]:
    """A server's environment: no connection, no setting of another Airflow, the paths of docker-compose.yaml."""
    pipeline = home / "pipeline"
    return without_others(os.environ) | {
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
