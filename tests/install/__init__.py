"""The wheels in fresh environments with Airflow, as a team installs them; see ``docs/install.md``.

``constraints-<version>.txt`` stands for Airflow's own constraints of that version, which are on no package index: what
was newest when it was released, of the packages that Airflow needs with the extras a server has.
"""

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parent
ROOT: Final = FOLDER.parents[1]
#: the newest one of each minor version that the wheels say they work with
VERSIONS: Final = tuple(
    path.stem.removeprefix("constraints-") for path in sorted(FOLDER.glob("constraints-*.txt"), reverse=True)
)
