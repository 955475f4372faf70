"""Files that somebody handed in are opened in a process of their own, with limits of time and memory (``__main__``).

The web server and the tasks never decode them: a file that takes minutes, or gigabytes, or that leads a decoder astray,
ends that process alone. Two are at work at a time, a few more wait, the rest are told to come again.
"""

import json
import logging
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

import bitbucket_compliance
from bitbucket_compliance.core.errors import EvidenceRefused, ImportRefused, InspectionUnavailable
from bitbucket_compliance.registry.evidence_files.checks import LARGEST_FILE, checked_name, refused, sha256_of
from bitbucket_compliance.registry.evidence_files.limits import BROKEN, SECONDS, TOO_LONG, TOO_MUCH_MEMORY
from bitbucket_compliance.registry.evidence_files.types import BY_MEDIA_TYPE, CleanFile, Export, ExportRow
from bitbucket_compliance.registry.tables.file import File
from bitbucket_compliance.registry.tables.file import refused as unfit_table
from bitbucket_compliance.registry.tables.read import HeaderRule

log = logging.getLogger(__name__)

AT_WORK: Final = 2
WAITING: Final = 4
WAIT_SECONDS: Final = 20.0

_working = threading.BoundedSemaphore(AT_WORK)
_admitted = threading.BoundedSemaphore(AT_WORK + WAITING)
_PROGRAM: Final = [sys.executable, "-B", "-P", "-m", "bitbucket_compliance.registry.evidence_files"]
_INCLUDE: Final = str(Path(bitbucket_compliance.__path__[0]).parent)


class _GaveUp(Exception):
    """The process ended without an answer; the message says why, as ``UnfitFile`` does."""


def clean_file(name: str, content: bytes) -> CleanFile:
    """The file, cleaned; its type is decided by its content, and its name may not contradict.

    Raises:
        EvidenceRefused: names the file and what is wrong with it.
        InspectionUnavailable: it can't be looked at now.
    """
    name = checked_name(name)
    if not content:
        raise refused(name, "is empty")
    if len(content) > LARGEST_FILE:
        raise refused(name, f"is larger than {LARGEST_FILE // 1024 // 1024} MB, the most that is taken")
    extension = PurePosixPath(name).suffix.lower().removeprefix(".")
    try:
        answer, cleaned = _answer({"job": "clean", "extension": extension}, content)
    except _GaveUp as reason:
        raise refused(name, str(reason)) from None
    if "unfit" in answer:
        raise refused(name, answer["unfit"])
    return CleanFile(name, BY_MEDIA_TYPE[answer["media_type"]], cleaned, sha256_of(cleaned), sha256_of(content))


def draw_page(name: str, content: bytes, number: int) -> tuple[int, bytes]:
    """How many pages a stored PDF has, and page ``number``, from 1 on, as a PNG picture; empty: there is no such page.

    Raises:
        EvidenceRefused: it can't be drawn.
        InspectionUnavailable: it can't be looked at now.
    """
    try:
        answer, picture = _answer({"job": "draw_page", "number": number}, content)
    except _GaveUp as reason:
        raise EvidenceRefused(f"{name} can't be shown here, download it: it {reason}") from None
    if "unfit" in answer:
        raise EvidenceRefused(f"{name} {answer['unfit']}")
    return answer["pages"], picture


def read_export(name: str, content: bytes) -> Export:
    """What a two-step verification export says; see ``exports.export_of``.

    Raises:
        ImportRefused: names file, line, column and reason of everything that is bad.
        InspectionUnavailable: it can't be looked at now.
    """
    if len(content) > LARGEST_FILE:
        raise unfit_table(name, f"is larger than {LARGEST_FILE // 1024 // 1024} MB")
    try:
        answer, _ = _answer({"job": "read_export", "name": name}, content)
    except _GaveUp as reason:
        raise unfit_table(name, str(reason)) from None
    _refuse(name, answer)
    return Export([ExportRow(*row) for row in answer["people"]], answer["nobody"])


def read_table(name: str, content: bytes, rule: HeaderRule) -> File:
    """A declared table that somebody uploaded; see ``tables.read.table``.

    Args:
        rule: which row holds the headings.

    Raises:
        EvidenceRefused: its name is none.
        ImportRefused: names the file and what is wrong with it.
        InspectionUnavailable: it can't be looked at now.
    """
    name = checked_name(name)
    if len(content) > LARGEST_FILE:
        raise unfit_table(name, f"is larger than {LARGEST_FILE // 1024 // 1024} MB")
    try:
        answer, rows = _answer({"job": "read_table", "name": name, "rule": [list(group) for group in rule]}, content)
    except _GaveUp as reason:
        raise unfit_table(name, str(reason)) from None
    _refuse(name, answer)
    read = tuple((line, tuple(cells)) for line, cells in json.loads(rows))
    return File(name, sha256_of(content), tuple(answer["header"]), read, header_line=answer["header_line"])


def _refuse(name: str, answer: Mapping[str, Any]) -> None:
    """Raise what an answer says is wrong with a table."""
    if "unfit" in answer:
        raise unfit_table(name, answer["unfit"])
    if "refused" in answer:
        raise ImportRefused(answer["refused"], answer["problems"])


def _answer(job: dict[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
    """What the process says of a file, and the bytes behind that.

    Raises:
        InspectionUnavailable, _GaveUp.
    """
    # In files: nothing waits for anything else then, and the answer can be no larger than the process may write.
    with _turn(), tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as said:
        asked.write(json.dumps(job).encode() + b"\n" + content)
        asked.seek(0)
        ended_with = _run(asked, told, said)
        if ended_with:
            said.seek(0)
            _explain(ended_with, said.read(100_000).decode(errors="replace"))
        told.seek(0)
        answer: dict[str, Any] = json.loads(told.readline())
        return answer, told.read()


def _run(asked: IO[bytes], told: IO[bytes], said: IO[bytes]) -> int:
    """The exit code of the process, negative where a signal ended it."""
    try:
        done = subprocess.run(
            _PROGRAM,
            stdin=asked,
            stdout=told,
            stderr=said,
            cwd="/",
            env={"PYTHONPATH": _INCLUDE, "LC_ALL": "C.UTF-8"},
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return -signal.SIGXCPU
    except OSError as error:
        raise InspectionUnavailable(f"the process that opens files can't be started: {error.strerror}") from error
    return done.returncode


def _explain(ended_with: int, said: str) -> None:
    """Raise what an end without an answer means."""
    if ended_with in (-signal.SIGXCPU, -signal.SIGKILL):
        raise _GaveUp(TOO_LONG)
    if ended_with < 0:
        raise _GaveUp(BROKEN)
    if said.rstrip().endswith("MemoryError"):
        raise _GaveUp(TOO_MUCH_MEMORY)
    log.error("the process that opens uploaded files failed: %s", said.strip())
    last = next(iter(said.strip().splitlines()[-1:]), f"exit code {ended_with}")
    raise InspectionUnavailable(f"the process that opens files failed, nothing was stored: {last[:200]}")


@contextmanager
def _turn() -> Iterator[None]:
    """Wait for one's turn.

    Raises:
        InspectionUnavailable: too many wait already, or it takes too long.
    """
    busy = InspectionUnavailable("other files are being looked at; hand it in again in a minute, nothing was stored")
    if not _admitted.acquire(blocking=False):
        raise busy
    try:
        if not _working.acquire(timeout=WAIT_SECONDS):
            raise busy
        try:
            yield
        finally:
            _working.release()
    finally:
        _admitted.release()
