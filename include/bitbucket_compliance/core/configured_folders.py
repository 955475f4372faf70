"""Files that a worker reads for whoever triggered a DAG: below the folders that the configuration names, nowhere else.

``COMPLIANCE_IMPORT_FOLDERS`` are the folders of declared files, ``COMPLIANCE_QUERY_FOLDERS`` those of queries for a
roster: nothing that people upload is ever stored in either. Several are separated as in PATH.

What the pipeline writes goes below ``COMPLIANCE_FOLDER``, unless a variable of its own names another place.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bitbucket_compliance.core.errors import PipelineError
from bitbucket_compliance.core.printable import printable

IMPORT_FOLDERS: Final = "COMPLIANCE_IMPORT_FOLDERS"
QUERY_FOLDERS: Final = "COMPLIANCE_QUERY_FOLDERS"
FOLDER: Final = "COMPLIANCE_FOLDER"


class FileRefused(PipelineError):
    """A file may not be read; nothing of it was."""


def place(variable: str, name: str, environment: Mapping[str, str] = os.environ) -> str:
    """Where something is written: the folder or address in ``variable``, else ``name`` below ``COMPLIANCE_FOLDER``.

    Empty where neither variable is set.
    """
    named = environment.get(variable, "").strip()
    folder = environment.get(FOLDER, "").strip()
    return named or (str(Path(folder).expanduser().absolute() / name) if folder else "")


def working_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where to write what needs no place of its own: ``COMPLIANCE_FOLDER``, else Airflow's home, else this folder."""
    named = environment.get(FOLDER, "").strip() or environment.get("AIRFLOW_HOME", "").strip()
    return Path(named).expanduser().absolute() if named else Path.cwd()


def file_below(variable: str, name: str) -> Path:
    """The real path of a file below one of the folders that ``variable`` lists.

    Args:
        name: below the folder; or a whole path, if it leads there.

    Raises:
        FileRefused: there is no regular file of this name below the folders once every link is followed. Whether there
            is one elsewhere is not said.
    """
    folders = [Path(folder).resolve() for folder in os.environ.get(variable, "").split(os.pathsep) if folder.strip()]
    if not folders:
        raise FileRefused(
            f"{variable} is not set, so no file can be read: have the operator of the deployment name the folder there"
        )
    for folder in folders:
        try:
            path = (folder / name).resolve()
            if path.is_relative_to(folder) and path.is_file():
                return path
        except (OSError, ValueError, RuntimeError):  # too long, a NUL, links in a circle
            continue
    raise FileRefused(
        f"{printable(name[:200])}: there is no such file below the folders of {variable}; put the file there, and give "
        "its name below the folder"
    )


def read_at_most(path: Path, most_bytes: int) -> bytes:
    """The content of a regular file, or its first ``most_bytes`` + 1 bytes, by which a caller knows that it is larger.

    Raises:
        OSError: it can't be read, or is no regular file.
    """
    # A pipe or a device would keep the reader waiting, or never end.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(0, "is no regular file")
        return file.read(most_bytes + 1)
