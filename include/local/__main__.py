"""`python -m local COMMAND`: what the Makefile's commands do; `make`'s variables are the commands' flags.

The operator's commands are those of the package, run in this process in the environment that this checkout provides.
"""

from __future__ import annotations

import sys

from bitbucket_compliance import commands as commands
from bitbucket_compliance.commands import command_line
from local import dashboard as dashboard
from local import database as database
from local import environment as env
from local import receiver as receiver
from local import run as run
from local import web as web
from local.services import around


def main(argv: list[str] | None = None) -> int:
    """The exit code; errors become one line on standard error."""
    # Others can't see what lies in there; Postgres' own account passes through it.
    env.LOCAL.mkdir(exist_ok=True)
    env.LOCAL.chmod(0o711)
    by_make = command_line.BY_MAKE.set(True)
    try:
        return command_line.main("python -m local", argv, around)
    finally:
        command_line.BY_MAKE.reset(by_make)


if __name__ == "__main__":
    sys.exit(main())
