"""What an evidence file is, by its content: one of five types, cleaned of what nobody meant to hand in.

A file is taken whole or refused with its reason. What is stored was written anew: pictures without metadata, PDFs
without scripts, attachments and document information.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from bitbucket_compliance.registry.evidence.files.checks import (
    LARGEST_FILE,
    UnfitFile,
    checked_name,
    refused,
    sha256_of,
)
from bitbucket_compliance.registry.evidence.files.images import clean_image
from bitbucket_compliance.registry.evidence.files.pdfs import clean_pdf

Kind = Literal["screenshot", "mfa_export"]


@dataclass(frozen=True)
class FileType:
    """A type of file that evidence may have.

    Attributes:
        label: as people call it.
        media_type: never one that a browser runs.
        extensions: that a name of such a file may end with; the first one is used in the store.
        kind: what such a file is as evidence.
        clean: gives the bytes to store, or raises ``UnfitFile``.
    """

    label: str
    media_type: str
    extensions: tuple[str, ...]
    kind: Kind
    clean: Callable[[bytes], bytes]


PNG = FileType("PNG picture", "image/png", ("png",), "screenshot", lambda content: clean_image(content, "PNG"))
JPEG = FileType(
    "JPEG picture", "image/jpeg", ("jpg", "jpeg", "jpe"), "screenshot", lambda content: clean_image(content, "JPEG")
)
WEBP = FileType("WebP picture", "image/webp", ("webp",), "screenshot", lambda content: clean_image(content, "WEBP"))
PDF = FileType("PDF document", "application/pdf", ("pdf",), "screenshot", clean_pdf)
# Text has nothing to strip; mfa_export checks what its cells hold.
CSV = FileType("CSV table", "text/csv", ("csv", "tsv", "txt"), "mfa_export", lambda content: content)
TYPES = (PNG, JPEG, WEBP, PDF, CSV)
BY_MEDIA_TYPE = {kind.media_type: kind for kind in TYPES}
KNOWN = "evidence is PNG, JPEG, WebP, PDF, or CSV for a two-step verification export"

# What is often handed in instead, by how it begins.
_OTHERS: Mapping[bytes, str] = {
    b"GIF8": "a GIF picture",
    b"BM": "a BMP picture",
    b"II*\x00": "a TIFF picture",
    b"MM\x00*": "a TIFF picture",
    b"PK\x03\x04": "a ZIP archive or an Office document",
    b"PK\x05\x06": "a ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old Office document",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"\x1f\x8b": "a gzip archive",
    b"\x7fELF": "a program",
    b"MZ": "a program",
}
_BEGINNINGS: Mapping[bytes, FileType] = {
    b"\x89PNG\r\n\x1a\n": PNG,
    b"\xff\xd8\xff": JPEG,
    b"RIFF": WEBP,
    b"%PDF-": PDF,
}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_MARKUP = re.compile(rb"\s*<(?:!--.*?-->\s*<)*([!?]?[a-z][a-z0-9]*)", re.IGNORECASE | re.DOTALL)


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


def clean_file(name: str, content: bytes) -> CleanFile:
    """The file, cleaned; its type is decided by its content, and its name may not contradict.

    Raises:
        EvidenceRefused: names the file and what is wrong with it.
    """
    name = checked_name(name)
    try:
        if not content:
            raise UnfitFile("is empty")
        if len(content) > LARGEST_FILE:
            raise UnfitFile(f"is larger than {LARGEST_FILE // 1024 // 1024} MB, the most that is taken")
        found = _type_of(content)
        extension = PurePosixPath(name).suffix.lower().removeprefix(".")
        if extension and extension not in found.extensions:
            raise UnfitFile(
                f"is a {found.label}, its name says .{extension}; call it .{found.extensions[0]} if it is meant"
            )
        cleaned = found.clean(content)
    except UnfitFile as unfit:
        raise refused(name, str(unfit)) from unfit
    return CleanFile(name, found, cleaned, sha256_of(cleaned), sha256_of(content))


def _type_of(content: bytes) -> FileType:
    for beginning, found in _BEGINNINGS.items():
        if content.startswith(beginning) and (found is not WEBP or content[8:12] == b"WEBP"):
            return found
    for beginning, called in _OTHERS.items():
        if content.startswith(beginning):
            raise UnfitFile(f"is {called}; {KNOWN}")
    if b"%PDF-" in content[:1024]:
        raise UnfitFile("has bytes before the beginning of a PDF document; print it to a new PDF")
    _refuse_pages(content.removeprefix(b"\xef\xbb\xbf")[:4096])
    if b"\x00" in content and not content.startswith(_UTF16):
        raise UnfitFile(f"is of no type that is known: it holds NUL bytes; {KNOWN}")
    return CSV


def _refuse_pages(beginning: bytes) -> None:
    """For example <html, <!doctype, <script, <svg, <?xml."""
    if _MARKUP.match(beginning):
        what = "an SVG picture" if b"<svg" in beginning.lower() else "HTML or another markup"
        raise UnfitFile(f"is {what}, which can run scripts; {KNOWN}")
