"""What the rows of a roster and of a classification may hold; a row that is bad is named with its reason."""

import unicodedata
from collections.abc import Mapping
from datetime import date
from typing import Any

from bitbucket_compliance.registry.classification import (
    CLASSIFICATIONS,
    SENSITIVITIES,
    TARGET_TYPES,
    Entry,
    plain_target,
)
from bitbucket_compliance.registry.csv_file import File, Problems, quoted, renamed

ROSTER_COLUMNS = ("email", "name", "status", "end_date", "account_id")
EMPLOYMENT = ("active", "on_leave", "terminated")


def _enum(problems: Problems, line: int, row: Mapping[str, str], column: str, known: tuple[str, ...]) -> str | None:
    value = row[column].casefold()
    if value in known:
        return value
    problems.add(line, column, f"{quoted(row[column])} is unknown; known: {', '.join(known)}")
    return None


def _date(problems: Problems, line: int, row: Mapping[str, str], column: str) -> date | None:
    if not row[column]:
        return None
    try:
        return date.fromisoformat(row[column])
    except ValueError:
        problems.add(line, column, f"{quoted(row[column])} is no date; write it as YYYY-MM-DD")
        return None


def roster_rows(file: File) -> list[tuple[Any, ...]]:
    # A file has all columns by contract; a query may leave out what its table doesn't hold.
    optional = () if file.source == "file" else ("name", "end_date", "account_id")
    file = renamed(file, ROSTER_COLUMNS, optional)
    problems = Problems(file.name, file.counted_in)
    rows = []
    for line, given in file.rows:
        row = {column: given.get(column, "") for column in ROSTER_COLUMNS}
        status = _enum(problems, line, row, "status", EMPLOYMENT)
        end_date = _date(problems, line, row, "end_date")
        if not (row["email"] or row["name"] or row["account_id"]):
            problems.add(line, "email", "the row names nobody: give an email, a name or an account_id")
        # One spelling of each name; those who compare names decide how.
        name = unicodedata.normalize("NFC", row["name"])
        rows.append((line, row["email"].lower() or None, name or None, status, end_date, row["account_id"] or None))
    problems.refuse_if_any()
    return rows


def classification_rows(file: File) -> list[Entry]:
    columns = ("target_type", "target", "classification", "sensitivity", "owner", "workspace")
    file = renamed(file, columns, optional=("workspace",))
    problems = Problems(file.name, file.counted_in)
    rows = []
    for line, row in file.rows:
        target_type = _enum(problems, line, row, "target_type", TARGET_TYPES)
        classification = _enum(problems, line, row, "classification", CLASSIFICATIONS)
        sensitivity = _enum(problems, line, row, "sensitivity", SENSITIVITIES) if row["sensitivity"] else None
        if not row["target"]:
            problems.add(line, "target", "the row names nothing: give a slug, a project key or a pattern")
        workspace = row.get("workspace", "").lower() or None
        if target_type and classification:
            target = plain_target(row["target"])
            rows.append(Entry(workspace, target_type, target, classification, sensitivity, row["owner"] or None))
    problems.refuse_if_any()
    return list({entry.key: entry for entry in rows}.values())
