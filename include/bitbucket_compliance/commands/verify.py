"""``verify``: work the record out again, and name what does not fit."""

from __future__ import annotations

from bitbucket_compliance.commands.command_line import CommandError, Flag, command
from bitbucket_compliance.commands.environment import database

SHOWN = 20


@command(
    "verify",
    "whether everything that was published and decided is as it was recorded",
    Flag("workspace", "slug", "one workspace, and what belongs to no workspace; every workspace if left out"),
    Flag("head", "sha256", "a digest that was noted down earlier: it must be part of the chain"),
)
def verify(workspace: str, head: str) -> None:
    """Print the newest digest of each chain.

    Raises:
        CommandError: something does not fit, with the first of it; or there is no record of the workspace.
    """
    from bitbucket_compliance.registry.evidence.changed_files import changed_files
    from bitbucket_compliance.reporting.record.verify import SHARED, Misfit, heads, links_with, misfits

    with database() as connection:
        chains = [one for one in heads(connection) if not workspace or one.workspace in (workspace, SHARED)]
        if not any(one.workspace != SHARED for one in chains):
            raise CommandError(f"nothing was published {f'for workspace {workspace}' if workspace else 'yet'}")
        found = [misfit for one in chains for misfit in misfits(connection, one.workspace)]
        found += [Misfit(SHARED, f"evidence {key}", problem, None) for key, problem in changed_files(connection)]
        noted = links_with(connection, head) if head else []
    for one in chains:
        print(f"{one.workspace or 'shared by all'}: link {one.link}, sha256 {one.digest}")
    for misfit in found[:SHOWN]:
        sealed = f" (sealed by link {misfit.link})" if misfit.link is not None else ""
        print(f"does not fit: {misfit.where}{sealed}: {misfit.problem}")
    if found:
        rest = f"; {len(found) - SHOWN} more are not shown" if len(found) > SHOWN else ""
        what = "1 thing is not as it was" if len(found) == 1 else f"{len(found)} things are not as they were"
        raise CommandError(
            f"{what} recorded, the first is {found[0].where}{rest}; find out who "
            "wrote to the database, and restore what was there from a backup"
        )
    if head and not noted:
        raise CommandError(
            f"{head} is no digest of the record: it was noted of another database, or the record was written anew"
        )
    for one in noted:
        print(
            f"{head} is link {one.link} of {one.workspace or 'what all share'}: everything before it is as it was then"
        )
    print("all fits: verdicts, findings, changes, evidence, decisions and policies are as they were recorded")
