"""``python -m bitbucket_compliance COMMAND``, installed also as ``bitbucket-compliance``: the operator's commands."""

import sys

from bitbucket_compliance import commands as commands
from bitbucket_compliance.commands import command_line
from bitbucket_compliance.commands.environment import as_airflow_on_a_server


def main(argv: list[str] | None = None) -> int:
    """Run the command of the command line and give its exit code."""
    with as_airflow_on_a_server():
        return command_line.main(command_line.own_name(), argv)


if __name__ == "__main__":
    sys.exit(main())
