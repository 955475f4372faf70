"""CSV for Excel: as ``csv_table``, behind a byte order mark, without which Excel takes UTF-8 for another encoding."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from typing import IO

from bitbucket_compliance.reporting.exports.formats import csv_table
from bitbucket_compliance.reporting.exports.model import Counts, Snapshot, Verdict


def write(file: IO[bytes], snapshot: Snapshot, verdicts: Iterable[Verdict]) -> None:
    """See ``Format``."""
    file.write(codecs.BOM_UTF8)
    csv_table.write(file, snapshot, verdicts)


def count(file: IO[bytes]) -> Counts:
    """See ``Format``.

    Raises:
        ValueError: the mark is missing.
    """
    if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
        raise ValueError("the file does not begin with a byte order mark")
    return csv_table.count(file)
