"""The pages of the navigation. A new page is one line here, in the group that it belongs to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """A page of the navigation.

    Attributes:
        path: below the console's root. label: its name.
        waits: which count of ``services.frame`` (``sql/frame/waiting.sql``) stands beside it; empty: none.
        what_waits: what that counts, for whoever can't see where it stands.
        knows_the_past: whether it can be shown as of a past day.
        of_several: whether it is there only where there are several workspaces.
    """

    path: str
    label: str
    waits: str = ""
    what_waits: str = ""
    knows_the_past: bool = False
    of_several: bool = False


@dataclass(frozen=True)
class Group:
    """Pages that belong together."""

    label: str
    entries: tuple[Entry, ...]


HOME = Entry("", "Overview")
GROUPS = (
    Group(
        "Results",
        (
            Entry("findings", "Findings", "overdue", "overdue", knows_the_past=True),
            Entry("tests", "Tests", knows_the_past=True),
            Entry("changes", "Changes"),
            Entry("controls", "Controls", knows_the_past=True),
            Entry("workspaces", "Workspaces", of_several=True),
        ),
    ),
    Group(
        "Inventory",
        (
            Entry("repositories", "Repositories", knows_the_past=True),
            Entry("members", "Members", "access", "access to review", knows_the_past=True),
        ),
    ),
    Group(
        "Decisions",
        (
            Entry("evidence", "Evidence", "evidence", "to review"),
            Entry("exceptions", "Exceptions", "exceptions", "to decide"),
            Entry("policies", "Policy", "policies", "to decide"),
        ),
    ),
    Group(
        "Operations",
        (
            Entry("integrations", "Integrations"),
            Entry("imports", "Imports"),
            Entry("runs", "Runs"),
            Entry("audit", "Audit"),
        ),
    ),
)


def is_current(entry: Entry, path: str) -> bool:
    """Whether a page lies at the entry, or below it."""
    return path == entry.path or (bool(entry.path) and path.startswith(f"{entry.path}/"))
