"""What every evidence file must be, whatever its type: a file of a fair size with a plain name."""

import hashlib
import re
import unicodedata
from pathlib import Path

from bitbucket_compliance.core.errors import EvidenceRefused

LARGEST_FILE = 10 * 1024 * 1024
LONGEST_NAME = 200


_DRIVE = re.compile(r"[A-Za-z]:")


def read_file(path: Path) -> tuple[str, bytes]:
    """Name and content of a file on this machine.

    Raises:
        EvidenceRefused: there is no such file, it can't be read, or it is too large.
    """
    try:
        if not path.is_file():
            raise refused(path.name or str(path), "there is no such file")
        with path.open("rb") as file:
            return path.name, file.read(LARGEST_FILE + 1)
    except OSError as unreadable:
        raise refused(path.name, f"can't be read: {unreadable.strerror or unreadable}") from unreadable


def checked_name(name: str) -> str:
    """The name of a file, if it is no more than that.

    Raises:
        EvidenceRefused: it is a path, or holds characters that are no text.
    """
    shown = ascii(name)[:80]
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in name):
        raise EvidenceRefused(f"the file name {shown} holds control characters; rename the file, nothing was stored")
    if "/" in name or "\\" in name or _DRIVE.match(name) or name.strip(" .") == "":
        raise EvidenceRefused(f"the file name {shown} is a path; give the name alone, nothing was stored")
    if len(name) > LONGEST_NAME:
        raise EvidenceRefused(f"the file name {shown}… is longer than {LONGEST_NAME} characters; nothing was stored")
    return name


def refused(name: str, reason: str) -> EvidenceRefused:
    """The error about one file."""
    return EvidenceRefused(f"{_shown(name)} was refused, nothing was stored: {reason}")


def _shown(name: str) -> str:
    """A name for a message: what would break the line is shown as its code."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in name)


def sha256_of(content: bytes) -> str:
    """In hexadecimal."""
    return hashlib.sha256(content).hexdigest()
