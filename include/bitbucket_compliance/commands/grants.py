"""``grant-auditor``: let a login read a workspace, and of it a period, take that back, or list what is granted."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from bitbucket_compliance.commands.command_line import CommandError, Flag, command, day, table
from bitbucket_compliance.commands.environment import database, operator

SHOWN: Final = ("login", "workspace", "from", "to", "granted by", "at")


def _check(login: str, workspace: str, revoke: bool, **period: date | None) -> None:
    if (login and not workspace) or (workspace and not login):
        raise CommandError("--login and --workspace belong together; without both of them grants are listed")
    first, last = period["from"], period["to"]
    if revoke and (first or last):
        raise CommandError(
            "--revoke takes back all that the login may read of the workspace: leave out --from and --to"
        )
    if first and last and last < first:
        raise CommandError(f"--to {last} lies before --from {first}")


@command(
    "grant-auditor",
    "let a database login read a workspace, or list who may",
    Flag("login", "name", "a login with the role compliance_auditor or compliance_limited_reader"),
    Flag("workspace", "slug", "the workspace that it may read"),
    Flag("from", "2026-01-01", "the first day of the period; from the beginning if left out", day, None),
    Flag("to", "2026-06-30", "the last day of it; without end if left out", day, None),
    Flag("revoke", "yes", "take back what it may read of the workspace", bool, False, bare=True),
    check=_check,
)
def grant_auditor(login: str, workspace: str, revoke: bool, **period: Any) -> None:
    """Grant, take back or list; say what an administrator has to do where the login lacks the role.

    Raises:
        CommandError: nothing is known of the workspace, or there is nothing to take back.
    """
    from bitbucket_compliance.registry import reading_grants as grants

    with database() as connection:
        if not login:
            rows = [tuple(str(cell) for cell in row.values()) for row in grants.in_force(connection)]
            print(table([SHOWN, *rows]) if rows else "no login was granted anything")
            return
        if revoke:
            ended = grants.revoke(connection, login, workspace, operator())
            if not ended:
                raise CommandError(f"{login} was granted nothing of {workspace}; leave out all flags to list grants")
            print(f"taken back: {login} reads nothing of {workspace} any more")
            return
        if not grants.is_known(connection, workspace):
            raise CommandError(f"nothing was published of workspace {workspace!r}; check the slug")
        grants.grant(connection, login, workspace, period["from"], period["to"], operator())
        has_role = grants.has_role(connection, login)
    print(f"granted: {login} reads {workspace} from {period['from'] or 'the beginning'} to {period['to'] or 'any day'}")
    if not has_role:
        print(
            f'it can read them once an administrator of the database has run: CREATE ROLE "{login}" LOGIN; '
            f'GRANT compliance_auditor TO "{login}" (compliance_limited_reader for a reader of single workspaces)'
        )
