"""Declared files on their way from the form to the registry: shown first, written when the person confirms."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from bitbucket_compliance.core.errors import ImportRefused
from bitbucket_compliance.registry import imports, persons
from bitbucket_compliance.registry.imports import ImportResult
from bitbucket_compliance.registry.imports.mapping import DEFAULT, presets
from compliance_console_app.database import Connection
from compliance_console_app.permissions import Person
from compliance_console_app.services import audit

KINDS: Final = {
    "roster": "Roster",
    "classification": "Classification",
    "mfa": "Two-step verification export",
}
_NAMES: Final = {
    DEFAULT: "Usual headings",
    "bamboohr": "BambooHR",
    "entra_id": "Microsoft Entra ID",
    "google_workspace": "Google Workspace",
    "okta": "Okta",
    "personio": "Personio",
    "scim": "SCIM",
    "workday": "Workday",
}


def mappings() -> dict[str, str]:
    """The mappings that can be chosen, the default first, each with what people call it."""
    names = sorted(presets(), key=lambda name: (name != DEFAULT, name))
    return {name: _NAMES.get(name, name) for name in names}


@dataclass(frozen=True)
class DeclaredFile:
    """A file and what was stated about it.

    Attributes:
        kind: one of ``KINDS``.
        roster_name, mapping: of a roster. captured_on: of an export, ``YYYY-MM-DD``, as it was typed.
    """

    kind: str
    name: str
    content: bytes
    roster_name: str = ""
    mapping: str = ""
    captured_on: str = ""

    def preview(self, connection: Connection, person: Person, *, may_shrink: bool) -> ImportResult:
        """What would be taken; nothing is written.

        Raises:
            PipelineError: it can't be taken like this; says why, or that it can't be looked at now.
        """
        return self._taken(connection, person, may_shrink=may_shrink, preview=True)

    def take(self, connection: Connection, person: Person, *, may_shrink: bool) -> ImportResult:
        """Import it; an export waits for somebody else to accept it.

        Raises:
            PipelineError: as above; nothing of it was taken.
        """
        persons.note(connection, person.id)
        taken = self._taken(connection, person, may_shrink=may_shrink, preview=False)
        if taken.import_id is not None:
            after = {"kind": self.kind, "file_name": self.name, "took": taken.told}
            if self.kind == "roster":
                after |= {"mapping": self.mapping, "may_shrink": str(may_shrink).lower()}
            audit.record(connection, person, "import.made", f"import {taken.import_id}", None, after)
        return taken

    def _taken(self, connection: Connection, person: Person, *, may_shrink: bool, preview: bool) -> ImportResult:
        if self.kind == "roster" and self.mapping not in presets():
            raise ImportRefused(f"there is no mapping {self.mapping[:40]!r}; choose one of the list", [])
        return imports.import_file(
            connection,
            self.kind,
            (self.name, self.content),
            imported_by=person.id,
            captured_on=self._day() if self.kind == "mfa" else None,
            mapping=self.mapping,
            roster_name=self.roster_name,
            may_shrink=may_shrink,
            preview=preview,
        )

    def _day(self) -> date:
        typed = self.captured_on.strip()
        try:
            return date.fromisoformat(typed)
        except ValueError:
            problem = f"{ascii(typed)[:40]} is no date; write it as 2026-03-31" if typed else "is missing"
            raise ImportRefused(f"the day of the export {problem}; its validity counts from it", []) from None
