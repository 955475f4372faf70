"""OCSF as one JSON array, a finding a line: for readers of files that take no JSON lines, as DefectDojo's importers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Final

from bitbucket_compliance.reporting.exports.formats import ocsf
from bitbucket_compliance.reporting.exports.model import Counts, Snapshot, Verdict

_OPENING: Final = b"[\n"
_CLOSING: Final = b"\n]\n"


def write(file: IO[bytes], snapshot: Snapshot, verdicts: Iterable[Verdict]) -> None:
    """See ``Format``."""
    before = _OPENING
    for verdict in verdicts:
        file.write(before + ocsf.line(snapshot, verdict))
        before = b",\n"
    file.write(_CLOSING if before != _OPENING else b"[]\n")


def count(file: IO[bytes]) -> Counts:
    """See ``Format``; a line at a time, so that memory does not grow with the file.

    Raises:
        ValueError: the lines are no array of findings.
    """
    found, is_open = Counts(), file.readline() == _OPENING
    for text in file:
        if not is_open or not text.startswith(b"{"):
            break
        is_open = text.endswith(b",\n")
        found[ocsf.counted(text.rstrip(b",\n"))] += 1
    else:
        text = b""
    if is_open or text + file.read() != _CLOSING[1:]:
        raise ValueError("the file is no JSON array with a finding a line")
    return found
