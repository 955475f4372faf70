"""``datacontract-cli`` in an environment of its own, made from the lock beside this file when it is first needed."""

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
LOCK = Path(__file__).with_name("requirements.txt")
FOLDER = ROOT / ".local" / "contract-venv"


class ContractToolMissing(Exception):
    """The environment of datacontract-cli could not be made; says why in one line."""


def datacontract() -> Path:
    """The tool's path.

    Raises:
        ContractToolMissing: the environment is not there and can't be made, as without a package index.
    """
    stamp = FOLDER / ".complete"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != wanted:
        _make()
        stamp.write_text(wanted, encoding="utf-8")
    return FOLDER / "bin" / "datacontract"


def _make() -> None:
    uv = [sys.executable, "-m", "uv"]
    _run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(FOLDER)])
    python = str(FOLDER / "bin" / "python")
    _run([*uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "--requirement", str(LOCK)])


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise ContractToolMissing(
            f"{FOLDER.name} could not be made from {LOCK.name}: {said[-1] if said else error}"
        ) from error
