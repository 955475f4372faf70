"""``python -m tests.documents.fresh_database MODULE``: run a module on a migrated, empty database.

The database is an embedded Postgres in a temporary folder that ends with the module; its address is the argument that
the module gets.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bitbucket_compliance.security_tests.upgrade import upgrade
from local.postgres import EmbeddedPostgres


def main(module: str) -> None:
    """Run ``module`` as ``python -m`` does."""
    with TemporaryDirectory() as folder:
        postgres = EmbeddedPostgres(Path(folder) / "data")
        try:
            postgres.start()
            upgrade(postgres.uri())
            sys.argv = [module, postgres.uri()]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        finally:
            postgres.delete()


if __name__ == "__main__":
    main(sys.argv[1])
