"""A page of a PDF document as a picture, for those who review it in a browser."""

import io

from bitbucket_compliance.registry.evidence_files.unfit import UnfitFile

#: Dots of a picture's longer side, at most.
LONGEST_SIDE = 1600
#: Dots for one point of the page, where that fits: text of an A4 page is easy to read.
SCALE = 1.75


def load_library() -> None:
    """Import what ``picture_of_page`` needs, as long as files can be opened."""
    import pypdfium2  # noqa: F401
    from PIL import Image

    Image.preinit()


def picture_of_page(content: bytes, number: int) -> tuple[int, bytes]:
    """How many pages a document has, and one of them, from 1 on, as a PNG picture; empty where there is no such page.

    Raises:
        UnfitFile: it can't be drawn.
    """
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(content)
        pages = len(document)
        if not 1 <= number <= pages:
            return pages, b""
        page = document[number - 1]
        scale = min(SCALE, LONGEST_SIDE / max(page.get_size()))
        picture = io.BytesIO()
        page.render(scale=scale).to_pil().convert("RGB").save(picture, "PNG")
    except (pypdfium2.PdfiumError, ValueError, OSError) as broken:
        raise UnfitFile("can't be drawn here; download it") from broken
    return pages, picture.getvalue()
