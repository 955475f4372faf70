"""``backup`` and ``restore``: everything that the results' Postgres holds, but for secrets, in one file."""

from __future__ import annotations

from pathlib import Path

from bitbucket_compliance.commands.command_line import CommandError, Flag, command, readable_file
from bitbucket_compliance.commands.environment import database, owner_address, results_address
from bitbucket_compliance.commands.verify import verify


@command(
    "backup",
    "write everything that the results' Postgres holds, but for tokens and webhook secrets, to a file",
    Flag("to", "backup.zip", "the file to write: its folder must exist, the file must not", Path, required=True),
)
def backup(to: Path) -> None:
    """Print what was written.

    Raises:
        BackupRefused: the file is there already, or can't be written.
    """
    from bitbucket_compliance.database import backup as backups

    path = to.expanduser().absolute()
    made = backups.write(owner_address(), path)
    print(f"{path}: {made.rows} rows of {len(made.tables)} tables, as of {made.made_at}")


@command(
    "restore",
    "make roles, schema and every row of a backup in a new, empty database",
    Flag("from", "backup.zip", "what `backup` wrote", readable_file, required=True),
)
def restore(**flags: Path) -> None:
    """Restore, let the login that runs in, and verify the record.

    Raises:
        BackupRefused: nothing was made: no backup, a damaged one, or the database is not empty.
        CommandError: everything was restored, and something of it is not as it was recorded.
    """
    from bitbucket_compliance.database import backup as backups
    from bitbucket_compliance.database.migrate import let_in
    from bitbucket_compliance.reporting.record.verify import SHARED, heads
    from bitbucket_compliance.security_tests.published import catalogue_rows

    owner = owner_address()
    made = backups.restore(owner, flags["from"], catalogue_rows())
    let_in(owner, results_address())
    print(f"restored: {made.rows} rows of {len(made.tables)} tables, as of {made.made_at}")
    print("connect Bitbucket again where a person had connected it; webhooks get new secrets by themselves")
    with database() as connection:
        is_published = any(one.workspace != SHARED for one in heads(connection))
    if is_published:
        try:
            verify(workspace="", head="")
        except CommandError as error:
            raise CommandError(f"everything was restored, but {error}") from error
