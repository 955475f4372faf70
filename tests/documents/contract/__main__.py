"""``make contract``: write the contract file from a migrated database, raise its version, check it by datacontract-cli.

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
    """The exit code: 1 where the tool objects or can't be had."""
    published = published_at(dsn)
    here = odcs.parse(odcs.FILE.read_text(encoding="utf-8")) if odcs.FILE.is_file() else None
    before = committed_contract() or here
    version = odcs.FIRST_VERSION
    if before is not None:
        changes = differences(before.published, published)
        version = next_version(before, published, here.version if here else None)
        print(f"since {before.version}: {said(changes, most=40) or 'nothing changed'}")
    odcs.FILE.write_text(odcs.render(published, version), encoding="utf-8")
    print(f"wrote include/bitbucket_compliance/reporting/{odcs.FILE.name}, version {version}")
    try:
        return subprocess.run([str(datacontract()), "lint", str(odcs.FILE)], check=False).returncode
    except ContractToolMissing as missing:
        print(f"error: {missing}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
