"""Entries of the classification, declared one by one or many at once, whoever asks: an import, or a person.

Rows are only ever added: the newest entry of each (workspace, target_type, target) is in force, and one that declares
nothing takes the one before it back. An entry by slug means the repository that has the slug when it is declared, or
the first that a run finds with it: not another one that takes the slug over later.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass

from bitbucket_compliance.core.database import Connection, copy_rows, run_sql
from bitbucket_compliance.core.errors import ImportRefused

TARGET_TYPES = ("repository", "project", "pattern")
CLASSIFICATIONS = ("production", "non_production")
SENSITIVITIES = ("public", "internal", "confidential", "restricted")
LONGEST_OWNER = 200

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


@dataclass(frozen=True)
class Entry:
    """What is declared of a repository (slug or uuid), of a project's (key) or of those that a slug glob matches.

    Attributes:
        workspace: slug in lower case, or the uuid (in braces) of one that was not read yet; None: every workspace.
        target: in lower case, a uuid in braces.
    """

    workspace: str | None
    target_type: str
    target: str
    classification: str
    sensitivity: str | None = None
    owner: str | None = None

    @property
    def key(self) -> tuple[str | None, str, str]:
        """What an entry takes the place of."""
        return self.workspace, self.target_type, self.target

    @property
    def declares(self) -> tuple[str, str | None, str | None]:
        """What an entry says of its target."""
        return self.classification, self.sensitivity, self.owner


@dataclass(frozen=True)
class Declared:
    """What stands for a repository, whatever declares it."""

    classification: str
    sensitivity: str | None
    owner: str | None


@dataclass(frozen=True)
class Change:
    """What stood for a repository, and what stands now; None: it is not classified."""

    slug: str
    before: Declared | None
    after: Declared | None


@dataclass(frozen=True)
class _Standing:
    """A repository with the entry that decides on it."""

    repository_id: str
    slug: str
    declared: Declared | None
    is_its_own: bool
    target: str | None
    declared_for: str | None


def plain_target(target: str) -> str:
    """A target as it is stored."""
    lowered = target.strip().lower()
    return f"{{{lowered}}}" if _UUID.fullmatch(lowered) else lowered


@contextmanager
def one_at_a_time(connection: Connection) -> Iterator[None]:
    """A transaction that nobody else declares anything in."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('compliance imports', 0))")
        yield


def classify(
    connection: Connection,
    workspace: str,
    repository_ids: Sequence[str],
    *,
    classification: str | None = None,
    sensitivity: str | None = None,
    owner: str | None = None,
    declared_by: str,
) -> list[Change]:
    """Declare something of single repositories of a workspace, all or none; returns what changed.

    Args:
        classification, sensitivity, owner: None leaves each as it stands; empty: no sensitivity, no owner.

    Raises:
        ImportRefused: no such repository, or a value that can't be; nothing is stored.
    """
    owner = _name(owner)
    if classification is not None:
        _know("classification", classification, CLASSIFICATIONS)
    if sensitivity:
        _know("sensitivity", sensitivity, SENSITIVITIES)
    place = workspace.strip().lower()

    def over(standing: Declared | None) -> Declared:
        old = standing or Declared("", None, None)
        return Declared(
            classification or old.classification,
            old.sensitivity if sensitivity is None else sensitivity or None,
            old.owner if owner is None else owner or None,
        )

    with one_at_a_time(connection):
        standing = _standing(connection, workspace, repository_ids)
        unclassified = [found.slug for found in standing if found.declared is None]
        if classification is None and unclassified:
            raise ImportRefused(
                f"{unclassified[0]} is not classified yet: say production or non_production with the rest", []
            )
        changes = [Change(found.slug, found.declared, over(found.declared)) for found in standing]
        entries = [
            Entry(place, "repository", found.repository_id.lower(), *astuple(change.after))
            for found, change in zip(standing, changes, strict=True)
            if change.after is not None and change.before != change.after
        ]
        declare(connection, entries, declared_by=declared_by)
    return [change for change in changes if change.before != change.after]


def take_back(
    connection: Connection, workspace: str, repository_ids: Sequence[str], *, withdrawn_by: str
) -> list[Change]:
    """Take back what was declared of repositories themselves, so that their projects and patterns decide again.

    Returns:
        What was taken back, with what decides instead.

    Raises:
        ImportRefused: no such repository, or for none of them anything of their own is in force.
    """
    with one_at_a_time(connection):
        before = [found for found in _standing(connection, workspace, repository_ids) if found.is_its_own]
        if not before:
            raise ImportRefused(
                "nothing was declared of these repositories themselves: what stands comes from their project or from "
                "a pattern, declare something else of the repository instead",
                [],
            )
        # One entry may name several: a slug of every workspace.
        keys = dict.fromkeys((found.declared_for, "repository", str(found.target)) for found in before)
        _withdrawn(connection, list(keys), withdrawn_by)
        after = _standing(connection, workspace, [found.repository_id for found in before])
    return [Change(old.slug, old.declared, new.declared) for old, new in zip(before, after, strict=True)]


def declare(
    connection: Connection,
    entries: Iterable[Entry],
    *,
    declared_by: str,
    import_id: int | None = None,
) -> int:
    """Note the entries that are not in force already; joins the caller's transaction, see ``one_at_a_time``.

    Args:
        import_id: the import that brings them.

    Returns:
        How many were noted.
    """
    noted = copy_rows(
        connection,
        "COPY registry.classification (workspace, target_type, target, classification, sensitivity, owner,"
        " import_id, declared_by) FROM STDIN",
        ((*astuple(entry), import_id, declared_by) for entry in new_entries(connection, entries)),
    )
    connection.execute("SELECT registry.bind_classification()")
    return noted


def new_entries(connection: Connection, entries: Iterable[Entry]) -> list[Entry]:
    """The entries that are not in force already."""
    in_force = {entry.key: entry for entry in _in_force(connection)}
    return [entry for entry in entries if in_force.get(entry.key) != entry]


def withdraw(
    connection: Connection, target_type: str, target: str, *, withdrawn_by: str, workspace: str | None = None
) -> str:
    """Take a classification entry back, so that what else matches decides again; its history stays.

    Args:
        workspace: the workspace that the entry was declared for; None: the entry for all.

    Returns:
        One line that says what was taken back.

    Raises:
        ImportRefused: there is no such entry in force.
    """
    name = f"{target_type} {target}" + (f" of workspace {workspace}" if workspace else "")
    key = (workspace.strip().lower() if workspace else None, target_type.strip().lower(), plain_target(target))
    with one_at_a_time(connection):
        if _withdrawn(connection, [key], withdrawn_by) == 0:
            raise ImportRefused(
                f"no classification of {name} is in force; registry.classification_in_force lists what is", []
            )
    return f"taken back: the classification of {name}"


def _withdrawn(connection: Connection, keys: Sequence[tuple[str | None, str, str]], withdrawn_by: str) -> int:
    """How many of the entries were in force, and are no more."""
    places, target_types, targets = (list(column) for column in zip(*keys, strict=True))
    return connection.execute(
        """
        INSERT INTO registry.classification (workspace, target_type, target, declared_by)
        SELECT in_force.workspace, in_force.target_type, in_force.target, %s
        FROM registry.classification_in_force AS in_force
        INNER JOIN unnest(%s::text[], %s::text[], %s::text[]) AS meant (workspace, target_type, target)
            ON coalesce(in_force.workspace, '') = coalesce(meant.workspace, '')
            AND in_force.target_type = meant.target_type
            AND in_force.target = meant.target
        """,
        (withdrawn_by, places, target_types, targets),
    ).rowcount


def _in_force(connection: Connection) -> Iterator[Entry]:
    for row in connection.execute(
        "SELECT workspace, target_type, target, classification, sensitivity, owner"
        " FROM registry.classification_in_force"
    ):
        yield Entry(**row)


def _standing(connection: Connection, workspace: str, repository_ids: Sequence[str]) -> list[_Standing]:
    wanted = list(dict.fromkeys(repository_ids))
    rows = run_sql(
        connection, "registry/standing_classification.sql", {"workspace": workspace, "repository_ids": wanted}
    ).fetchall()
    if not rows or len(rows) < len(wanted):
        raise ImportRefused(
            f"{len(wanted) - len(rows)} of {len(wanted)} repositories are not in workspace {workspace} any more; "
            "nothing was changed, look at the list anew"
            if wanted
            else "no repository was named; choose one or more",
            [],
        )
    return [
        _Standing(
            row["repository_id"],
            row["slug"] or row["repository_id"],
            Declared(row["classification"], row["sensitivity"], row["owner"]) if row["classification"] else None,
            row["target_type"] == "repository",
            row["target"],
            row["declared_for"],
        )
        for row in rows
    ]


def _name(owner: str | None) -> str | None:
    name = None if owner is None else " ".join(owner.split())
    if name and (len(name) > LONGEST_OWNER or not name.isprintable()):
        raise ImportRefused(f"the owner is no name of {LONGEST_OWNER} characters at most; shorten it", [])
    return name


def _know(column: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ImportRefused(f"{column} {value!r} is unknown; known: {', '.join(known)}", [])
