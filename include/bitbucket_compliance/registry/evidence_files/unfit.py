"""Why a file can't be evidence. Imports nothing that the process beside, which opens files, could do without."""

import re

# Long enough that compressed bytes don't hold one by accident.
_MARKUP = re.compile(rb"<(?:!doctype\s+html|(?:html|head|body|script|iframe|\?php)[\s>/])", re.IGNORECASE)


class UnfitFile(Exception):
    """The file can't be taken; the message continues a sentence that begins with its name."""


def refuse_markup(content: bytes) -> None:
    """A browser that is led to guess would take such a file for a page.

    Raises:
        UnfitFile: the bytes hold the beginning of a page or a script.
    """
    if _MARKUP.search(content):
        raise UnfitFile("holds HTML markup: it is a page besides; take a new screenshot")
