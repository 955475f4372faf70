"""Write exports: to a temporary name, read back, compared with the database, and only then given their name.

An export is two files: the data, and beside it ``<name>.manifest.json``, which says what it is of (workspace, instant,
run, policy version, counts by test and status, version of the generator) and the SHA-256 of the data. The manifest is
written last: where it stands, the data is whole.
"""

from __future__ import annotations

import hashlib
import json
import logging
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bitbucket_compliance.core.database import Connection
from bitbucket_compliance.reporting.exports.formats import load, suffix
from bitbucket_compliance.reporting.exports.model import Counts, ExportRefused, ExportWrong, State
from bitbucket_compliance.reporting.exports.state import Wanted, snapshot, states, verdicts

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Exported:
    """A finished export.

    Attributes:
        file: path or address of the data.
        manifest: path or address of what describes it.
        state: what it is of.
    """

    file: str
    manifest: str
    state: State


def export(connection: Connection, name: str, wanted: Wanted, folder: Path) -> list[Exported]:
    """Write what is wanted into a folder, a file for each workspace.

    Args:
        name: of the format.
        folder: a Path, or an ``ObjectStoragePath``, which has the same methods; made where it is missing.

    Raises:
        ExportRefused: see ``states``; or the folder can't be written to.
        ExportWrong: a file does not hold what the database holds. It was removed.
    """
    suffix(name)
    with snapshot(connection):
        found = states(connection, wanted)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return [_export(connection, name, state, folder) for state in found]
        except OSError as error:
            raise ExportRefused(f"{folder}: can't be written to ({error.strerror or type(error).__name__})") from error


def _export(connection: Connection, name: str, state: State, folder: Path) -> Exported:
    style = load(name)
    final = folder / f"{state.name}.{suffix(name)}"
    unfinished = folder / f".{final.name}.{uuid.uuid4().hex}.part"
    try:
        with unfinished.open("wb") as file:
            style.write(file, state, verdicts(connection, state))
        with unfinished.open("rb") as file:
            _compare(state.counts, style.count(file), final.name)
        digest = _sha256(unfinished)
        unfinished.replace(final)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
    manifest = folder / f"{final.name}.manifest.json"
    about = {"file": final.name, "format": name, "sha256": digest, **state.describe()}
    _write_whole(manifest, json.dumps(about, ensure_ascii=False, indent=2) + "\n")
    log.info("exported: %s (%d verdicts of %s at %s)", final, state.verdicts, state.workspace, state.as_of.isoformat())
    return Exported(str(final), str(manifest), state)


def _compare(stored: Counts, written: Counts, name: str) -> None:
    if stored == written:
        return
    test_id, status = sorted(key for key in stored.keys() | written.keys() if stored[key] != written[key])[0]
    raise ExportWrong(
        f"{name}: the file holds {written[test_id, status]} {status} of {test_id}, "
        f"the database {stored[test_id, status]}; the file was removed, export again"
    )


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _write_whole(path: Path, text: str) -> None:
    unfinished = path.parent / f".{path.name}.{uuid.uuid4().hex}.part"
    with unfinished.open("wb") as file:
        file.write(text.encode())
    unfinished.replace(path)
