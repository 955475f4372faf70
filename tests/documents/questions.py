"""The queries of ``docs/queries.md``: one file each below ``reporting/queries``, a question and one statement."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from bitbucket_compliance.core.database import PACKAGE

FOLDER = PACKAGE / "reporting" / "queries"

#: The day on which the questions are asked: the files name days around it.
ASKED_ON = date(2026, 3, 31)

READER = "compliance_reader"
PEOPLE_READER = "compliance_people_reader"

_DAY = re.compile(r"'(\d{4}-\d\d-\d\d)((?: [^']*)?)'")
_COMMENT = re.compile(r"-- ?(?:(Purpose|Role): )?(.*)")


@dataclass(frozen=True)
class Query:
    """One question.

    Attributes:
        name: of its file, without the suffix.
        question, purpose: as the file's comments say.
        remarks: further comment lines.
        roles: that a login needs to ask it.
        statement: the SQL, ending in a semicolon.
    """

    name: str
    question: str
    purpose: str
    remarks: tuple[str, ...]
    roles: tuple[str, ...]
    statement: str

    def asked_on(self, today: date) -> str:
        """The statement with its days moved, so that ``today`` stands where the file means ``ASKED_ON``."""
        moved = today - ASKED_ON
        return _DAY.sub(lambda found: f"'{date.fromisoformat(found[1]) + moved}{found[2]}'", self.statement)


@cache
def queries() -> Sequence[Query]:
    """All of them, in the order of the page."""
    return tuple(_read(path) for path in sorted(FOLDER.glob("*.sql")))


def _read(path: Path) -> Query:
    comment, _, statement = path.read_text(encoding="utf-8").partition("\n\n")
    lines = [_COMMENT.fullmatch(line) for line in comment.splitlines()]
    found = [(line[1], line[2]) for line in lines if line is not None]
    named = {name: text for name, text in found if name}
    plain = [text for name, text in found if not name]
    roles = (READER, named["Role"]) if "Role" in named else (READER,)
    purpose = named["Purpose"][0].upper() + named["Purpose"][1:]
    return Query(path.stem, plain[0], purpose, tuple(plain[1:]), roles, statement.strip())
