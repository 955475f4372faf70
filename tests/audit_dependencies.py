"""Known vulnerabilities of what the locks name: `make audit-dependencies`.

Where no database of advisories can be reached nothing was audited, and it says so; one known vulnerability fails it.
"""

from __future__ import annotations

import json
import subprocess
import sys

PIP_AUDIT = [
    "-m",
    "pip_audit",
    "--progress-spinner=off",
    "--format=json",
    "--disable-pip",
    "--no-deps",
    "--require-hashes",
]


def audited(lock: str) -> tuple[int, list[str]]:
    """How many packages of a lock were looked up, and a line for each vulnerability.

    Raises:
        RuntimeError: the audit failed for another reason than a network that leads nowhere.
    """
    done = subprocess.run(
        [sys.executable, *PIP_AUDIT, "--requirement", lock], capture_output=True, text=True, timeout=600, check=False
    )
    if not done.stdout.strip():
        if "onnection" in done.stderr:
            return 0, []
        raise RuntimeError(done.stderr.strip()[-2000:])
    packages = json.loads(done.stdout)["dependencies"]
    found = [
        f"{lock}: {package['name']} {package['version']}: {known['id']}, mended in {known['fix_versions'] or 'none'}"
        for package in packages
        for known in package.get("vulns", [])
    ]
    return sum("vulns" in package for package in packages), found


def main(locks: list[str]) -> int:
    """0 when nothing is known of any package that was looked up."""
    failed = 0
    for lock in locks:
        looked_up, found = audited(lock)
        print(f"{lock}: {looked_up} packages looked up, {len(found)} known vulnerabilities")
        if not looked_up:
            print(f"{lock}: no database of advisories can be reached from here: nothing is known of its packages")
        print("\n".join(found), end="\n" if found else "")
        failed += len(found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
