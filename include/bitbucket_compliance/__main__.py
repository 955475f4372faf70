"""``python -m bitbucket_compliance COMMAND``: the operator's commands."""

import sys

from bitbucket_compliance import commands
from bitbucket_compliance.commands.command_line import PROGRAM, Commands


def main(argv: list[str] | None = None) -> int:
    """Run the command of the command line and give its exit code."""
    known = Commands(PROGRAM, "What an operator of the compliance pipeline does from a terminal.")
    commands.register(known)
    return known.main(argv)


if __name__ == "__main__":
    sys.exit(main())
