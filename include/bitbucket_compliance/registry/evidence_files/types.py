"""The five types of files that evidence may have, and a file of one of them as it is stored."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["screenshot", "mfa_export"]
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
    mfa_enabled: bool
