"""Why a file can't be evidence."""

import re


class Unfit(Exception):
    """The file can't be taken; the message continues a sentence that begins with its name."""


# Long enough that compressed bytes don't hold one by accident.
_MARKUP = re.compile(rb"<(?:!doctype\s+html|(?:html|head|body|script|iframe|\?php)[\s>/])", re.IGNORECASE)


def refuse_markup(content: bytes) -> None:
    """A browser that is led to guess would take such a file for a page.

    Raises:
        Unfit: the bytes hold the beginning of a page or a script.
    """
    if _MARKUP.search(content):
        raise Unfit("holds HTML markup: it is a page besides; take a new screenshot")
