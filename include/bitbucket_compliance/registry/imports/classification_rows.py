"""The entries that a classification declares, row by row; a row that is bad is named with its reason."""

import re
from collections.abc import Mapping
from typing import Final

from bitbucket_compliance.registry.classification import (
    CLASSIFICATIONS,
    SENSITIVITIES,
    TARGET_TYPES,
    Entry,
    plain_target,
)
from bitbucket_compliance.registry.tables.file import File, Problems, find_columns, quoted

COLUMNS: Final = ("target_type", "target", "classification", "sensitivity", "owner", "workspace")
_HEADINGS: Final = {column: (column,) for column in COLUMNS}
#: the headings of a classification
HEADER_RULE: Final = (("targettype",), ("target",), ("classification",))
_NEEDED: Final = COLUMNS[:5]
# As browsers and git show them: https://bitbucket.org/acme/payments, git@bitbucket.org:acme/payments.git
_ADDRESS: Final = re.compile(r"(?:https?://(?:[^/@]+@)?|ssh://git@|git@)[^/:]+[/:](?P<path>.+)", re.IGNORECASE)
_PROJECT: Final = re.compile(r"(?P<workspace>[^/]+)/(?:workspace/)?projects/(?P<key>[^/]+)", re.IGNORECASE)


def classification_entries(file: File) -> list[Entry]:
    """The entries of a classification, each once.

    Raises:
        ImportRefused: a column is missing or stands twice, or names line, column and reason of every bad value; among
            them two lines that declare different things of one target.
    """
    columns = find_columns(file, _HEADINGS, _NEEDED)
    problems = Problems(file.name, file.counted_in)
    declared: dict[tuple[str | None, str, str], tuple[int, Entry]] = {}
    for line, row in file.rows:
        entry = _entry(problems, line, {ours: columns.cell(ours, row) for ours in columns.places})
        if entry is None:
            continue
        before, known = declared.setdefault(entry.key, (line, entry))
        if known != entry:
            problems.add(
                line,
                "target",
                f"{quoted(entry.target)} stands in {file.counted_in} {before} too, with something else declared of it: "
                "keep one of them",
            )
    problems.refuse_if_any()
    return [entry for _, entry in declared.values()]


def _entry(problems: Problems, line: int, row: Mapping[str, str]) -> Entry | None:
    target_type = _enum(problems, line, row, "target_type", TARGET_TYPES)
    classification = _enum(problems, line, row, "classification", CLASSIFICATIONS)
    sensitivity = _enum(problems, line, row, "sensitivity", SENSITIVITIES) if row["sensitivity"] else None
    if not row["target"]:
        problems.add(line, "target", "the row names nothing: give a slug, a project key or a pattern")
    if not (target_type and classification and row["target"]):
        return None
    stated, target = _place(target_type, row["target"])
    workspace = row["workspace"].lower() or stated
    if stated and workspace != stated:
        problems.add(
            line, "target", f"{quoted(row['target'])} is of workspace {stated}, the row says {quoted(row['workspace'])}"
        )
    return Entry(workspace, target_type, plain_target(target), classification, sensitivity, row["owner"] or None)


def _place(target_type: str, target: str) -> tuple[str | None, str]:
    """The workspace that a target names, if it does, and the target by itself: ``acme/payments`` and addresses."""
    address = _ADDRESS.fullmatch(target)
    path = (address["path"].partition("?")[0].partition("#")[0] if address else target).strip("/")
    if target_type == "project":
        project = _PROJECT.fullmatch(path)
        return (project["workspace"].lower(), project["key"]) if project else (None, target)
    workspace, _, rest = path.partition("/")
    slug = rest.partition("/")[0] if address else rest
    if not slug or "/" in slug or "*" in workspace:
        return None, target
    return workspace.lower(), slug.removesuffix(".git") if address else slug


def _enum(problems: Problems, line: int, row: Mapping[str, str], column: str, known: tuple[str, ...]) -> str | None:
    value = row[column].casefold()
    if value in known:
        return value
    unknown = f"is unknown; known: {', '.join(known)}"
    problems.add(line, column, unknown, told=f"{quoted(row[column])} {unknown}")
    return None
