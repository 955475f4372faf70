"""``imports`` and ``take-back``: list what was imported, by whom and what of it counts; and take one import back."""

from __future__ import annotations

from typing import Any, Final

from bitbucket_compliance.commands.command_line import CommandError, Flag, command, number, table
from bitbucket_compliance.commands.environment import database, operator

SHOWN: Final = ("import", "at", "kind", "roster", "file", "rows", "refused", "mapping", "by", "state")
_FACTS: Final = (
    "source",
    "file_name",
    "file_sha256",
    "mapping",
    "mapping_version",
    "imported_by",
    "taken_back_because",
)
_ID: Final = "its number, as the command imports lists it"


@command(
    "imports",
    "list imports, or the rows of one that could not be used",
    Flag("import", "7", f"one import by {_ID}", number, None),
)
def imports(**flags: Any) -> None:
    """List the newest imports; of one, what is known of it and what is wrong with each row that could not be used.

    Raises:
        CommandError: there is no such import.
    """
    from bitbucket_compliance.registry.imports import take_back as made

    import_id = flags["import"]
    with database() as connection:
        if import_id is None:
            rows = [_cells(row) for row in made.listed(connection)]
            print(table([SHOWN, *rows]) if rows else "nothing was imported yet")
            return
        row = made.one(connection, import_id)
        if row is None:
            raise CommandError(f"there is no import {import_id}; make imports lists them")
        print(table([SHOWN, _cells(row)]))
        print(*(f"{name.replace('_', ' ')}: {row[name]}" for name in _FACTS if row[name]), sep="\n")
        for refused in made.refused_rows(connection, import_id):
            print(f"refused: {refused['line']}: {'; '.join(refused['problems'])}")


@command(
    "take-back",
    "take an import back, so that what was in force before it is again",
    Flag("import", "7", _ID, number, required=True),
    Flag("reason", "why", "why it is taken back", required=True),
)
def take_back(reason: str, **flags: Any) -> None:
    """Take an import back and say what is in force now.

    Raises:
        ImportRefused: see ``bitbucket_compliance.registry.imports.take_back``.
    """
    from bitbucket_compliance.registry.imports import take_back as made

    with database() as connection:
        taken = made.take_back(connection, flags["import"], reason=reason, taken_back_by=operator())
    print(f"taken back: import {taken.import_id}; {taken.told}; verdicts follow with the next run")


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    state = "in force" if row["is_in_force"] else "replaced"
    if row["taken_back_at"]:
        state = f"taken back by {row['taken_back_by']} at {row['taken_back_at']:%Y-%m-%d %H:%M}"
    cells = (
        row["import_id"],
        f"{row['imported_at']:%Y-%m-%d %H:%M}",
        row["kind"],
        row["roster_name"] or "-",
        row["file_name"],
        row["row_count"],
        row["refused_rows"],
        f"{row['mapping']} {row['mapping_version']}" if row["mapping"] else "-",
        row["imported_by"],
        state,
    )
    return tuple(" ".join(str(cell).split()) for cell in cells)
