"""The process beside that opens uploaded files: ``python -m bitbucket_compliance.registry.evidence_files``.

It reads one job from its input (a line of JSON, then the file) and writes one answer (a line of JSON, then the cleaned
file). A decoder that is led astray finds nothing here: no secret in the environment, no database, and after what is
needed was imported no file, no connection and no other program can be opened. See ``apart`` for who asks.
"""

import codecs
import errno
import json
import os
import resource
import sys
from dataclasses import astuple
from typing import Any

from bitbucket_compliance.registry.evidence_files.limits import (
    CPU_SECONDS,
    LARGEST_ANSWER,
    MEMORY,
    TOO_LARGE,
    TOO_MUCH_MEMORY,
)

# Python looks encodings up in files of its own, at their first use.
_ENCODINGS = (
    "ascii",
    "latin-1",
    "cp437",
    "cp1252",
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-be",
    "utf-16-le",
    "unicode_escape",
)


def main() -> int:
    """One job, one answer."""
    _limit(resource.RLIMIT_AS, MEMORY)
    _limit(resource.RLIMIT_CPU, CPU_SECONDS)
    _limit(resource.RLIMIT_FSIZE, 2 * LARGEST_ANSWER)
    _limit(resource.RLIMIT_CORE, 0)
    os.nice(10)
    job = json.loads(sys.stdin.buffer.readline())
    content = sys.stdin.buffer.read()
    try:
        answer, cleaned = _JOBS[job["job"]](job, content)
    except MemoryError:
        answer, cleaned = {"unfit": TOO_MUCH_MEMORY}, b""
    if len(cleaned) > LARGEST_ANSWER:
        answer, cleaned = {"unfit": TOO_LARGE}, b""
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n" + cleaned)
    return 0


def _clean(job: dict[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
    from bitbucket_compliance.registry.evidence_files.contents import cleaner_of, recognised
    from bitbucket_compliance.registry.evidence_files.types import CSV, XLSX
    from bitbucket_compliance.registry.evidence_files.unfit import UnfitFile

    try:
        found = recognised(content, job["extension"])
        clean = cleaner_of(found)
        _open_nothing_more()
        kept_as = CSV if found is XLSX else found
        return {"media_type": kept_as.media_type}, clean(content)
    except UnfitFile as unfit:
        if isinstance(unfit.__cause__, OSError) and unfit.__cause__.errno == errno.EMFILE:
            raise  # the file may be fine: ``cleaner_of`` forgot an import
        return {"unfit": str(unfit)}, b""


def _read_export(job: dict[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
    from bitbucket_compliance.core.errors import ImportRefused
    from bitbucket_compliance.registry.evidence_files.exports import export_of
    from bitbucket_compliance.registry.tables import workbook

    if workbook.is_workbook(content):
        workbook.load_library()
    _open_nothing_more()
    try:
        export = export_of(job["name"], content)
    except ImportRefused as refused:
        return {"refused": str(refused), "problems": refused.problems}, b""
    return {"people": [astuple(row) for row in export.people], "nobody": export.nobody}, b""


def _read_table(job: dict[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
    from bitbucket_compliance.core.errors import ImportRefused
    from bitbucket_compliance.registry.tables import workbook
    from bitbucket_compliance.registry.tables.read import header_by, table

    workbook.load_library()
    _open_nothing_more()
    try:
        read = table(job["name"], content, header_by(job["rule"]))
    except ImportRefused as refused:
        return {"refused": str(refused), "problems": refused.problems}, b""
    return {"header": read.header, "header_line": read.header_line}, json.dumps(read.rows).encode()


def _draw_page(job: dict[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
    from bitbucket_compliance.registry.evidence_files.pdf_pages import load_library, picture_of_page
    from bitbucket_compliance.registry.evidence_files.unfit import UnfitFile

    load_library()
    _open_nothing_more()
    try:
        pages, picture = picture_of_page(content, job["number"])
    except UnfitFile as unfit:
        return {"unfit": str(unfit)}, b""
    return {"pages": pages}, picture


_JOBS = {"clean": _clean, "read_export": _read_export, "read_table": _read_table, "draw_page": _draw_page}


def _open_nothing_more() -> None:
    """No file, no connection, no process from now on."""
    for encoding in _ENCODINGS:
        codecs.lookup(encoding)
    _limit(resource.RLIMIT_NOFILE, 0)
    _limit(resource.RLIMIT_NPROC, 0)


def _limit(what: int, most: int) -> None:
    """Lower a limit of this process for good; one that is lower already stays."""
    _, allowed = resource.getrlimit(what)
    most = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
    resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    sys.exit(main())
