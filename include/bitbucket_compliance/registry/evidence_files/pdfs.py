"""PDF documents: written anew from what pages show, and from nothing else.

What acts or is attached is refused. Of the rest a page keeps its size, its content and the notes that are drawn on it;
of its links those to https addresses. Names are those of ISO 32000-2.
"""

import io
import logging
from typing import TYPE_CHECKING, Any

from bitbucket_compliance.registry.evidence_files.images import without_metadata
from bitbucket_compliance.registry.evidence_files.pdf_sizes import UnpackedSize
from bitbucket_compliance.registry.evidence_files.unfit import UnfitFile, refuse_markup

if TYPE_CHECKING:
    from pypdf import PdfReader
    from pypdf.generic import DictionaryObject

MOST_PAGES = 100
MOST_OBJECTS = 200_000

# Keys, and types of actions and annotations (/S, /Type, /Subtype), that make a document more than pages.
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
# Keys of a stream that have a viewer read something elsewhere: files, other documents, picture servers.
_ELSEWHERE = ("/F", "/FFilter", "/FDecodeParms", "/Ref", "/OPI", "/Alternates", "/AF")

_PAGE = frozenset({"/Type", "/MediaBox", "/CropBox", "/Rotate", "/UserUnit", "/Resources", "/Contents", "/Group"})
# Annotations that are drawn: marks and notes on a screenshot, and the fields of a form that was filled in.
_DRAWN = frozenset(
    {
        "/FreeText", "/Line", "/Square", "/Circle", "/Polygon", "/PolyLine", "/Highlight", "/Underline", "/Squiggly",
        "/StrikeOut", "/Stamp", "/Caret", "/Ink", "/Text", "/Widget",
    }
)  # fmt: skip
_ANNOTATION = frozenset(
    {
        "/Type", "/Subtype", "/Rect", "/AP", "/AS", "/F", "/C", "/IC", "/CA", "/Border", "/BS", "/BE", "/RD",
        "/QuadPoints", "/Vertices", "/InkList", "/L", "/LE", "/DA", "/Q", "/Contents",
    }
)  # fmt: skip


def clean_pdf(content: bytes) -> bytes:
    """A new document with the same pages: no document information, XMP, outline, form, script or action.

    Raises:
        UnfitFile: it is broken, cut off, encrypted, too long, unpacks to too much, or holds something that acts or is
            attached.
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
        written = _pages_alone(reader)
    except (UnfitFile, MemoryError):
        raise
    except Exception as broken:  # readers of broken documents raise whatever they stumble over
        raise UnfitFile("is cut off or broken: it can't be read; print it to a new PDF") from broken
    # What was packed stands in the open now.
    refuse_markup(written)
    return written


def _pages_alone(reader: "PdfReader") -> bytes:
    from pypdf import PdfWriter

    if not 0 < len(reader.pages) <= MOST_PAGES:
        raise UnfitFile(f"has {len(reader.pages)} pages; 1 to {MOST_PAGES} are taken")
    writer = PdfWriter()
    for page in reader.pages:
        _strip_page(page)
        writer.add_page(page)
    writer.metadata = None
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def _strip_page(page: "DictionaryObject") -> None:
    """Leave of a page what it shows, and its links to https addresses."""
    from pypdf.generic import ArrayObject, NameObject

    annotations = page.get("/Annots")
    kept = [_kept(one.get_object()) for one in annotations.get_object()] if annotations is not None else []
    for key in set(page) - _PAGE:
        del page[key]
    if drawn := [one for one in kept if one is not None]:
        page[NameObject("/Annots")] = ArrayObject(drawn)


def _kept(annotation: Any) -> "DictionaryObject | None":
    """An annotation without whatever it would do; None: nothing is left of it."""
    from pypdf.generic import DictionaryObject, NameObject

    if not isinstance(annotation, DictionaryObject):
        return None
    if annotation.get("/Subtype") == "/Link":
        return _web_link(annotation)
    if annotation.get("/Subtype") not in _DRAWN:
        return None
    return DictionaryObject({NameObject(key): annotation.raw_get(key) for key in annotation if key in _ANNOTATION})


def _web_link(annotation: "DictionaryObject") -> "DictionaryObject | None":
    """The link alone, without what is chained to it, where it leads to an https address."""
    from pypdf.generic import ArrayObject, DictionaryObject, NameObject, NumberObject, TextStringObject

    action: Any = annotation.get("/A", {})
    action = action if isinstance(action, DictionaryObject) else {}
    address = str(action.get("/URI", ""))
    if action.get("/S") != "/URI" or not _is_https(address):
        return None
    link = DictionaryObject({NameObject("/S"): NameObject("/URI"), NameObject("/URI"): TextStringObject(address)})
    return DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Annot"),
            NameObject("/Subtype"): NameObject("/Link"),
            NameObject("/Rect"): annotation["/Rect"],
            NameObject("/Border"): ArrayObject([NumberObject(0)] * 3),
            NameObject("/A"): link,
        }
    )


def _is_https(address: str) -> bool:
    host = address[8:].partition("/")[0]
    printable = address.isascii() and address.isprintable() and not any(c in address for c in ' "<>\\')
    return printable and address[:8].lower() == "https://" and bool(host) and "@" not in host


def _walk(reader: "PdfReader") -> None:
    """Look at every object that the document reaches, and take metadata out of it."""
    from pypdf.generic import IndirectObject, StreamObject

    waiting: list[Any] = [reader.trailer]
    known: set[int] = set()
    unpacked = UnpackedSize()
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
        if isinstance(found, StreamObject):
            unpacked.add(found)
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
    for key in (*_METADATA, *(_ELSEWHERE if isinstance(found, StreamObject) else ())):
        found.pop(key, None)
    if isinstance(found, StreamObject) and found.get("/Filter") in ("/DCTDecode", ["/DCTDecode"]):
        # pypdf has no public way to replace the bytes of a stream as they are.
        found._data = without_metadata(found._data)
