"""The types of files that evidence may have, and a file of one of them as it is stored."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

Kind = Literal["screenshot", "mfa_export"]
TwoStep = Literal["on", "off", "single_sign_on", "deactivated", "unclear"]
"""What a row of an export says of two-step verification."""
TWO_STEP: tuple[TwoStep, ...] = get_args(TwoStep)
ImageFormat = Literal["PNG", "JPEG", "WEBP"]


@dataclass(frozen=True)
class FileType:
    """A type of file that evidence may have.

    Attributes:
        label: as people call it.
        media_type: never one that a browser runs.
        extensions: that a name of such a file may end with; the first one is used in the store.
        kind: what such a file is as evidence.
    """

    label: str
    media_type: str
    extensions: tuple[str, ...]
    kind: Kind


PNG = FileType("PNG picture", "image/png", ("png",), "screenshot")
# Phones and browsers have names of their own for it: several pictures in one file, or JFIF's own ending.
JPEG = FileType("JPEG picture", "image/jpeg", ("jpg", "jpeg", "jpe", "jfif", "mpo"), "screenshot")
WEBP = FileType("WebP picture", "image/webp", ("webp",), "screenshot")
PDF = FileType("PDF document", "application/pdf", ("pdf",), "screenshot")
CSV = FileType("CSV table", "text/csv", ("csv", "tsv", "txt"), "mfa_export")
# Stored as the CSV of its sheet.
XLSX = FileType(
    "Excel workbook", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ("xlsx",), "mfa_export"
)
TYPES = (PNG, JPEG, WEBP, PDF, CSV)
BY_MEDIA_TYPE = {kind.media_type: kind for kind in TYPES}


@dataclass(frozen=True)
class CleanFile:
    """A file as it is stored.

    Attributes:
        name: as given, without a folder.
        content: the cleaned bytes. sha256: of them.
        submitted_sha256: of what was handed in.
    """

    name: str
    type: FileType
    content: bytes
    sha256: str
    submitted_sha256: str


@dataclass(frozen=True)
class ExportRow:
    """What one line of a two-step verification export says of one person."""

    line: int
    email: str | None
    account_id: str | None
    two_step: TwoStep
    other_emails: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Export:
    """What a two-step verification export says; ``nobody``: the lines that name nobody."""

    people: Sequence[ExportRow]
    nobody: Sequence[int] = ()

    def counted(self) -> str:
        """How many people it says what of, in words."""
        words = {
            "on": "on",
            "off": "off",
            "single_sign_on": "sign in elsewhere",
            "deactivated": "deactivated",
            "unclear": "unclear",
        }
        found = [(words[state], sum(row.two_step == state for row in self.people)) for state in TWO_STEP]
        return ", ".join(f"{count} {word}" for word, count in found if count)
