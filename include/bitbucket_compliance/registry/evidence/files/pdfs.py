"""PDF documents: the pages are kept; scripts and attachments are refused, information about the author is removed."""

import io
import logging
from typing import TYPE_CHECKING, Any

from bitbucket_compliance.registry.evidence.files.checks import UnfitFile, refuse_markup
from bitbucket_compliance.registry.evidence.files.images import without_metadata

if TYPE_CHECKING:
    from pypdf import PdfReader

MOST_PAGES = 100
MOST_OBJECTS = 200_000

# Keys, and types of actions and annotations (/S, /Type, /Subtype), of ISO 32000-2 that make a document more than
# pages. An action that only turns to a page, or names an address in the web, is none of them.
_ACTIVE = {
    "/JavaScript": "JavaScript",
    "/JS": "JavaScript",
    "/Launch": "an action that starts a program",
    "/SubmitForm": "an action that sends a form",
    "/ImportData": "an action that reads a file",
    "/GoToE": "an action that opens an embedded file",
    "/Rendition": "media that play",
    "/RichMedia": "media that play",
    "/Movie": "media that play",
    "/Screen": "media that play",
    "/XFA": "an XFA form",
    "/EmbeddedFiles": "an embedded file",
    "/EmbeddedFile": "an embedded file",
    "/EF": "an embedded file",
    "/FileAttachment": "an embedded file",
}
_TYPES = ("/S", "/Type", "/Subtype")
_METADATA = ("/Metadata", "/PieceInfo", "/LastModified")


def clean_pdf(content: bytes) -> bytes:
    """A new document with the same pages: no document information, XMP, outline, form or script.

    Raises:
        UnfitFile: it is broken, cut off, encrypted, too long, or holds something that acts or is attached.
    """
    end = content.rfind(b"%%EOF")
    if end < 0:
        raise UnfitFile("is cut off or broken: the document does not end; print it to a new PDF")
    if content[end + 5 :].strip(b"\r\n\t \x00"):
        raise UnfitFile("has bytes behind the end of the document; print it to a new PDF")
    refuse_markup(content)
    # The reason of the refusal says what pypdf could not read.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    from pypdf import PdfReader

    try:
        reader = PdfReader(io.BytesIO(content), strict=False)
        if reader.is_encrypted:
            raise UnfitFile("is encrypted; print it to a new PDF without a password")
        _walk(reader)
        return _pages_alone(reader)
    except UnfitFile:
        raise
    except Exception as broken:  # readers of broken documents raise whatever they stumble over
        raise UnfitFile("is cut off or broken: it can't be read; print it to a new PDF") from broken


def _pages_alone(reader: "PdfReader") -> bytes:
    from pypdf import PdfWriter

    if not 0 < len(reader.pages) <= MOST_PAGES:
        raise UnfitFile(f"has {len(reader.pages)} pages; 1 to {MOST_PAGES} are taken")
    writer = PdfWriter()
    for page in reader.pages:
        writer.add_page(page)
    writer.metadata = None
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def _walk(reader: "PdfReader") -> None:
    """Look at every object that the document reaches, and take metadata out of it."""
    from pypdf.generic import IndirectObject

    waiting: list[Any] = [reader.trailer]
    known: set[int] = set()
    seen = 0
    while waiting:
        found = waiting.pop()
        if isinstance(found, IndirectObject):
            if found.idnum in known:
                continue
            known.add(found.idnum)
            found = found.get_object()
        seen += 1
        if seen > MOST_OBJECTS:
            raise UnfitFile(f"has more than {MOST_OBJECTS:,} parts; print it to a new PDF")
        if isinstance(found, dict):
            _look_at(found)
            waiting.extend(found.raw_get(key) for key in found)  # type: ignore[attr-defined]
        elif isinstance(found, list):
            waiting.extend(list.__iter__(found))


def _look_at(found: Any) -> None:
    from pypdf.generic import StreamObject

    for name in (*found, *(str(found.get(key)) for key in _TYPES)):
        if name in _ACTIVE:
            raise UnfitFile(f"holds {_ACTIVE[name]}; print it to a new PDF")
    for key in _METADATA:
        found.pop(key, None)
    if isinstance(found, StreamObject) and found.get("/Filter") in ("/DCTDecode", ["/DCTDecode"]):
        # pypdf has no public way to replace the bytes of a stream as they are.
        found._data = without_metadata(found._data)
