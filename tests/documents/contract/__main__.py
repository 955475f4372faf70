"""``make contract``: write the contract files from a migrated database, raise their versions, check them by
datacontract-cli.

The argument is the address of the database, a ``postgresql://`` URL.
"""

import subprocess
import sys

from tests.documents.contract import odcs
from tests.documents.contract.catalogue import published_at
from tests.documents.contract.check import committed_contract, next_version, said
from tests.documents.contract.environment import ContractToolMissing, datacontract
from tests.documents.contract.versions import differences


def main(dsn: str) -> int:
    """The exit code: not 0 where the tool objects to a file or can't be had."""
    for role in odcs.FILES:
        _write(dsn, role)
    try:
        tool = str(datacontract())
    except ContractToolMissing as missing:
        print(f"error: {missing}", file=sys.stderr)
        return 1
    return max(subprocess.run([tool, "lint", str(file)], check=False).returncode for file in odcs.FILES.values())


def _write(dsn: str, role: str) -> None:
    published, file = published_at(dsn, role), odcs.FILES[role]
    here = odcs.load(role) if file.is_file() else None
    before = committed_contract(role) or here
    version = odcs.FIRST_VERSION
    if before is not None:
        changes = differences(before.published, published)
        version = next_version(before, published, here.version if here else None)
        print(f"{role}, since {before.version}: {said(changes, most=40) or 'nothing changed'}")
    file.write_text(odcs.render(published, version, role), encoding="utf-8")
    print(f"wrote include/bitbucket_compliance/reporting/{file.name}, version {version}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
