"""Write exports: under a temporary name, read back, compared with the database, and only then renamed.

An export is two files: the data, and beside it ``<name>.manifest.json``, which says what the data holds (workspace,
instant, run, policy version, counts by test and status, version of the generator) and its SHA-256. The manifest is
written last: if it is there, the data is whole.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PosixPath
from typing import IO

from bitbucket_compliance.core.database import Connection
from bitbucket_compliance.reporting.exports.formats import Format, load
from bitbucket_compliance.reporting.exports.model import Counts, ExportRefused, ExportWrong, Snapshot
from bitbucket_compliance.reporting.exports.snapshot.read import ExportRequest, snapshots, unchanging, verdicts

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Exported:
    """A finished export.

    Attributes:
        file: path or address of the data.
        manifest: path or address of what describes it.
        snapshot: what it holds.
    """

    file: str
    manifest: str
    snapshot: Snapshot


def export(connection: Connection, name: str, request: ExportRequest, folder: Path) -> list[Exported]:
    """Write what is asked for into a folder, a file for each workspace.

    Args:
        name: of the format.
        folder: a Path, or an ``ObjectStoragePath``, which has the same methods; made where it is missing.

    Raises:
        ExportRefused: see ``load`` and ``snapshots``; or the folder can't be written to.
        ExportWrong: a file differs from the database. It was removed.
    """
    file_format = load(name)
    with unchanging(connection):
        found = snapshots(connection, request)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return [_export(connection, file_format, snapshot, folder) for snapshot in found]
        except OSError as error:
            raise ExportRefused(f"{folder}: can't be written to ({error.strerror or type(error).__name__})") from error


def _export(connection: Connection, file_format: Format, snapshot: Snapshot, folder: Path) -> Exported:
    final = folder / f"{snapshot.name}.{file_format.suffix}"
    unfinished = folder / f".{final.name}.{uuid.uuid4().hex}.part"
    try:
        with _created(unfinished) as file:
            file_format.write(file, snapshot, verdicts(connection, snapshot))
        with unfinished.open("rb") as file:
            _compare(snapshot.counts, file_format.count(file), final.name)
        with unfinished.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        unfinished.replace(final)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
    manifest = folder / f"{final.name}.manifest.json"
    about = {"file": final.name, "format": file_format.name, "sha256": digest, **snapshot.describe()}
    _write_whole(manifest, json.dumps(about, ensure_ascii=False, indent=2) + "\n")
    as_of = snapshot.as_of.isoformat()
    log.info("exported: %s (%d verdicts of %s at %s)", final, snapshot.verdicts, snapshot.workspace, as_of)
    return Exported(str(final), str(manifest), snapshot)


def _created(path: Path) -> IO[bytes]:
    """A new file to write into; in a folder of this machine, its owner alone may read it."""
    if isinstance(path, PosixPath):
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    return path.open("wb")


def _compare(stored: Counts, written: Counts, name: str) -> None:
    if stored == written:
        return
    test_id, status = sorted(key for key in stored.keys() | written.keys() if stored[key] != written[key])[0]
    raise ExportWrong(
        f"{name}: the file holds {written[test_id, status]} {status} of {test_id}, "
        f"the database {stored[test_id, status]}; the file was removed, export again"
    )


def _write_whole(path: Path, text: str) -> None:
    unfinished = path.parent / f".{path.name}.{uuid.uuid4().hex}.part"
    with _created(unfinished) as file:
        file.write(text.encode())
    unfinished.replace(path)
