"""``python -m bitbucket_compliance COMMAND``: the operator's commands."""

import sys

from bitbucket_compliance import commands as commands
from bitbucket_compliance.commands import command_line


def main(argv: list[str] | None = None) -> int:
    """Run the command of the command line and give its exit code."""
    return command_line.main(command_line.PROGRAM, argv)


if __name__ == "__main__":
    sys.exit(main())
