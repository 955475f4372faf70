"""`python -m local COMMAND`: what the Makefile's commands do."""

from __future__ import annotations

import argparse
import signal
import sys
from types import FrameType

from local import commands
from local.airflow_run import one_line
from local.connect import DEFAULT_PORT


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local", description="The pipeline on a laptop.")
    parser.set_defaults(grant="admin")
    subcommands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return subcommands.add_parser(name, help=text, description=text)

    def with_grant(command: argparse.ArgumentParser) -> None:
        command.add_argument(
            "--grant",
            choices=["admin", "five"],
            default="admin",
            help="what the sandbox's consumer may read: the five scopes, or those and repository:admin",
        )

    def with_texts(command: argparse.ArgumentParser, *names: str) -> None:
        for name in names:
            command.add_argument(f"--{name}", default="")

    with_grant(add("demo", "run everything once against the sandbox and print the results"))
    run = add("run", "judge one workspace, using the two connections where they are set")
    run.add_argument("workspace", nargs="?", default="", help="slug or uuid")
    run.add_argument("--full-refresh", default="", help="1: read every repository again, unchanged ones too")
    with_grant(run)
    imports = add("import", "import declared data from CSV files")
    for kind in commands.IMPORT_KINDS:
        imports.add_argument(f"--{kind}", default="", metavar="FILE")
    imports.add_argument("--captured-on", default="", metavar="YYYY-MM-DD", help="the day the MFA export was made")
    imports.add_argument("--roster-sql", default="", metavar="CONN_ID", help="the roster by a query")
    imports.add_argument("--query", default="", metavar="FILE", help="the text of that query")
    imports.add_argument("--roster-scim", default="", metavar="CONN_ID", help="the roster from a SCIM 2.0 directory")
    with_texts(
        add("policy", "show or set what a workspace's policy changes in the defaults"), "workspace", "file", "reason"
    )
    with_texts(add("unclassify", "take a classification entry back"), "target-type", "target", "workspace")
    with_texts(
        add("exception", "ask for an exception, or list them"),
        "test",
        "workspace",
        "subject",
        "project",
        "pattern",
        "owner",
        "reason",
        "until",
    )
    with_texts(
        add("evidence", "hand in evidence, or list it"),
        "file",
        "test",
        "workspace",
        "scope",
        "targets",
        "captured-on",
        "note",
    )
    with_texts(
        add("review", "accept, reject or withdraw evidence or an exception"),
        "evidence",
        "exception",
        "decision",
        "reason",
    )
    with_grant(add("up", "Airflow with its web page, in the background"))
    add("down", "stop what `up` started, and the embedded Postgres")
    dashboard = add("dashboard", "Superset with the compliance dashboard, in the background")
    dashboard.add_argument("--port", default="", help="of the page on this machine")
    dashboard.add_argument("--setup-only", action="store_true", help="install Superset and start nothing")
    add("dashboard-down", "stop what `dashboard` started")
    add("dashboard-export", "write the dashboard, as changed in the browser, back into the asset files")
    connect = add("connect", "have a person consent to a connection with auth authorization_code")
    connect.add_argument("--port", type=int, default=DEFAULT_PORT, help="of the callback address on this machine")
    add("rotate-vault-key", "encrypt the token vault with another key")
    add("receiver", "take webhooks in, in the foreground").add_argument("--port", default="8085")
    with_texts(
        add("webhooks", "register, repair, rotate or remove the webhooks of the connected workspaces"),
        "action",
        "workspace",
        "reactivate",
    )
    with_texts(
        add("explain", "print the chain behind one verdict, from landing row to reason"),
        "test",
        "subject",
        "at",
        "workspace",
    )
    with_texts(
        add("export", "write the published results of a run or of an instant to a file"),
        "format",
        "workspace",
        "at",
        "run",
        "out",
    )
    add("upgrade", "bring the database to the schema of this version; a current one is left alone")
    psql = add("psql", "open the embedded database")
    psql.add_argument("--sql", default="", help="run this statement and leave")
    add("clean", "stop everything and remove the data (.local)")
    return parser.parse_args(argv)


def _terminated(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(argv: list[str] | None = None) -> int:
    """The exit code; errors become one line on standard error."""
    options = _arguments(argv)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        return commands.run_command(options)
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    except commands.expected_errors() as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
