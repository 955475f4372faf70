"""A file that a page carries from its preview to the button that confirms it; the server keeps nothing in between.

It is packed into a field of the form, and signed together with what was stated about it: what is confirmed is what was
shown, to the same person.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from typing import Final

from bitbucket_compliance.core.errors import ImportRefused
from bitbucket_compliance.registry.evidence import LARGEST_FILE
from compliance_console_app.permissions import Person
from compliance_console_app.web.signing import is_signed, signature

_PURPOSE: Final = "file of a preview"


def packed(content: bytes) -> str:
    """The content of a file as a field of a form carries it."""
    return base64.urlsafe_b64encode(zlib.compress(content)).decode()


def signed(person: Person, stated: Mapping[str, str], field: str) -> str:
    """The signature of a packed file and of all that was stated about it, for this person alone."""
    return signature(_PURPOSE, *_signed(person, stated, field))


def unpacked(person: Person, stated: Mapping[str, str], field: str, claimed: str) -> bytes:
    """The content of a file that a page carried.

    Raises:
        ImportRefused: it is not what was shown to this person.
    """
    if not is_signed(claimed, _PURPOSE, *_signed(person, stated, field)):
        raise ImportRefused("this is not the file that was shown; choose it again", [])
    try:
        return zlib.decompressobj().decompress(base64.urlsafe_b64decode(field), LARGEST_FILE + 1)
    except (binascii.Error, ValueError, zlib.error):
        raise ImportRefused("the file was damaged on its way; choose it again", []) from None


def _signed(person: Person, stated: Mapping[str, str], field: str) -> list[str]:
    return [person.name, *(part for name in sorted(stated) for part in (name, stated[name])), field]
