"""What an evidence file is, by its content, and the same file cleaned of what nobody meant to hand in.

A file is taken whole or refused with its reason. What is stored was written anew: pictures without metadata, PDFs
without scripts, actions, attachments and document information.
"""

from collections.abc import Callable, Mapping

from bitbucket_compliance.registry.evidence_files.types import CSV, JPEG, PDF, PNG, WEBP, XLSX, FileType, ImageFormat
from bitbucket_compliance.registry.evidence_files.unfit import UnfitFile

KNOWN = "evidence is PNG, JPEG, WebP, PDF, or CSV or Excel for a two-step verification export"

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
_FORMATS: Mapping[FileType, ImageFormat] = {PNG: "PNG", JPEG: "JPEG", WEBP: "WEBP"}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def recognised(content: bytes, extension: str) -> FileType:
    """The type of a file, decided by its content.

    Args:
        extension: what its name ends with, in lower case; empty: nothing. It may not contradict.

    Raises:
        UnfitFile: it is none that is taken, or its name says another one.
    """
    found = _type_of(content)
    if extension and extension not in found.extensions:
        raise UnfitFile(
            f"is a {found.label}, its name says .{extension}; call it .{found.extensions[0]} if it is meant"
        )
    return found


def cleaner_of(found: FileType) -> Callable[[bytes], bytes]:
    """What gives the bytes to store of such a file, or raises ``UnfitFile``.

    All that it will need is imported here: later nothing can be opened any more.
    """
    if found in (CSV, XLSX):
        from bitbucket_compliance.registry.evidence_files.tables import clean_table
        from bitbucket_compliance.registry.tables.workbook import load_library

        if found is XLSX:
            load_library()
        return clean_table
    from PIL import Image, ImageCms, ImageColor, ImagePalette  # noqa: F401

    Image.init()
    if found is PDF:
        import pypdf.filters
        import pypdf.xmp  # noqa: F401

        from bitbucket_compliance.registry.evidence_files.pdfs import clean_pdf

        return clean_pdf
    from bitbucket_compliance.registry.evidence_files.images import clean_image

    return lambda content: clean_image(content, _FORMATS[found])


def _type_of(content: bytes) -> FileType:
    for beginning, found in _BEGINNINGS.items():
        if content.startswith(beginning) and (found is not WEBP or content[8:12] == b"WEBP"):
            return found
    if content.startswith(b"PK\x03\x04") and b"xl/workbook.xml" in content:
        return XLSX
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
    """Refuse what begins with a tag, a declaration or a comment: for example <html, <!doctype, <script, <svg, <?xml."""
    # No regular expression that looks behind comments: nested ones made it try for minutes.
    left = beginning.lstrip()
    if left.startswith((b"<!", b"<?")) or (left.startswith(b"<") and left[1:2].isalpha()):
        what = "an SVG picture" if b"<svg" in beginning.lower() else "HTML or another markup"
        raise UnfitFile(f"is {what}, which can run scripts; {KNOWN}")
