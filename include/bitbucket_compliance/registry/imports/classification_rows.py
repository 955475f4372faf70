"""The entries that a classification declares, row by row; a row that is bad is named with its reason."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class Known:
    """What was read of Bitbucket, in lower case.

    Attributes:
        workspaces: slug by uuid.
        repositories: workspace and uuid of those that have a slug, by it.
    """

    workspaces: Mapping[str, str] = field(default_factory=dict)
    repositories: Mapping[str, Collection[tuple[str, str]]] = field(default_factory=dict)

    def names_of(self, entry: Entry) -> Collection[tuple[str | None, str, str]]:
        """The entry's key, where its slug is known that of the uuid: two spellings of one repository are one target."""
        found = self.repositories.get(entry.target, ()) if entry.target_type == "repository" else ()
        ids = [repository_id for workspace, repository_id in found if entry.workspace in (None, workspace)]
        return [(entry.workspace, entry.target_type, name) for name in ids or [entry.target]]


def classification_entries(file: File, known: Known) -> list[Entry]:
    """The entries of a classification, each once.

    Raises:
        ImportRefused: a column is missing or stands twice, or names line, column and reason of every bad value; among
            them two lines that declare different things of one target.
    """
    columns = find_columns(file, _HEADINGS, _NEEDED)
    problems = Problems(file.name, file.counted_in)
    declared: dict[tuple[str | None, str, str], tuple[int, Entry]] = {}
    entries: dict[tuple[str | None, str, str], Entry] = {}
    for line, row in file.rows:
        entry = _entry(problems, line, {ours: columns.cell(ours, row) for ours in columns.places}, known)
        if entry is None:
            continue
        for name in known.names_of(entry):
            before, other = declared.setdefault(name, (line, entry))
            if other.declares != entry.declares:
                problems.add(
                    line,
                    "target",
                    f"{quoted(entry.target)} stands in {file.counted_in} {before} too, with something else declared of "
                    "it: keep one of them",
                )
        entries.setdefault(entry.key, entry)
    problems.refuse_if_any()
    return list(entries.values())


def _entry(problems: Problems, line: int, row: Mapping[str, str], known: Known) -> Entry | None:
    target_type = _enum(problems, line, row, "target_type", TARGET_TYPES)
    classification = _enum(problems, line, row, "classification", CLASSIFICATIONS)
    sensitivity = _enum(problems, line, row, "sensitivity", SENSITIVITIES) if row["sensitivity"] else None
    if not row["target"]:
        problems.add(line, "target", "the row names nothing: give a slug, a project key or a pattern")
    if not (target_type and classification and row["target"]):
        return None
    stated, target = _place(target_type, row["target"])
    workspace = plain_target(row["workspace"]) or stated
    workspace = known.workspaces.get(workspace, workspace) if workspace else None
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
