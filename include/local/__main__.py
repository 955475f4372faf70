"""`python -m local COMMAND`: what the Makefile's commands do; `make`'s variables are the commands' flags.

The operator's commands are those of the package, run in this process in the environment that this checkout provides.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext

from bitbucket_compliance import commands as operator_commands
from bitbucket_compliance.commands.command_line import BY_MAKE, Commands
from local import dashboard, database, receiver, run, web
from local.services import operator_environment


def all_commands() -> tuple[Commands, set[str]]:
    """Every command that `make` calls, and the names of the operator's among them."""
    commands = Commands("python -m local", "The pipeline on one machine.")
    operator_commands.register(commands)
    of_operators = set(commands.parsers)
    for module in (run, database, web, dashboard, receiver):
        module.register(commands)
    return commands, of_operators


def main(argv: list[str] | None = None) -> int:
    """The exit code; errors become one line on standard error."""
    by_make = BY_MAKE.set(True)
    try:
        commands, of_operators = all_commands()
        return commands.main(argv, lambda name: operator_environment(name) if name in of_operators else nullcontext())
    finally:
        BY_MAKE.reset(by_make)


if __name__ == "__main__":
    sys.exit(main())
