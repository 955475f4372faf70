"""Build both wheels: ``make dist``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.install import ROOT

#: folder of each distribution below ``include/distributions``
DISTRIBUTIONS = ("provider", "compliance")


def build(folder: Path) -> list[Path]:
    """Put both wheels into a folder, in the place of those that are there, and give their paths.

    Raises:
        CalledProcessError: the build failed; its own output says why.
    """
    for old in folder.glob("*.whl"):
        old.unlink()
    for name in DISTRIBUTIONS:
        source = ROOT / "include" / "distributions" / name
        subprocess.run(
            [sys.executable, "-m", "uv", "build", "--quiet", "--wheel", "--out-dir", str(folder), str(source)],
            check=True,
        )
    return sorted(folder.glob("*.whl"))


if __name__ == "__main__":
    for wheel in build(Path(sys.argv[1]).absolute()):
        print(wheel)
