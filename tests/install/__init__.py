"""The wheels in fresh environments with Airflow, as a team installs them; see ``docs/install.md``.

``constraints-<version>.txt`` stands for Airflow's own constraints of that version, which are on no package index: what
was newest when it was released, of the packages that Airflow needs with the extras a server has.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parent
ROOT: Final = FOLDER.parents[1]
#: the newest one of each minor version that the wheels say they work with
VERSIONS: Final = tuple(
    path.stem.removeprefix("constraints-") for path in sorted(FOLDER.glob("constraints-*.txt"), reverse=True)
)
#: those that the documentation says are tried
PYTHONS: Final = ("3.13", "3.12", "3.11")


def pythons() -> dict[str, str]:
    """The interpreters of this machine by version, the newest first: those on the path, and pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = {}
    for version in PYTHONS:
        programs = [shutil.which(f"python{version}"), *map(str, pyenv.glob(f"{version}.*/bin/python"))]
        # pyenv puts a program on the path for each of its versions, also for those that are switched off.
        if working := next(filter(_starts, filter(None, programs)), None):
            found[version] = working
    return found


def _starts(program: str) -> bool:
    return subprocess.run([program, "-c", ""], capture_output=True, check=False).returncode == 0
