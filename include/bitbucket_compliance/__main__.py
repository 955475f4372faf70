"""``python -m bitbucket_compliance COMMAND``: the operator's commands."""

import sys

from bitbucket_compliance import commands as commands
from bitbucket_compliance.commands.command_line import PROGRAM, main

if __name__ == "__main__":
    sys.exit(main(PROGRAM))
