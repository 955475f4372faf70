"""Files of a package, whose digests are taken as they are written."""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

# Digests make most of a package, and no level makes them smaller than half.
_LEVEL: Final = 1
_BUFFER: Final = 1 << 20


@dataclass(frozen=True)
class Written:
    """A file of the package: its name below the folder, its size in bytes, its SHA-256 in hex."""

    path: str
    bytes: int
    sha256: str


class Output:
    """A file that is being written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._digest, self.bytes = file, hashlib.sha256(), 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Add bytes."""
        self._file.write(data)
        self._digest.update(data)
        self.bytes += len(data)

    @property
    def sha256(self) -> str:
        """Of what was written so far, in hex."""
        return self._digest.hexdigest()


class PackageFolder:
    """The folder of a package, and what was written into it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written: list[Written] = []

    @contextmanager
    def create(self, name: str) -> Iterator[Output]:
        """A new file, by its name below the folder; only its owner may read it."""
        target = self.path / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", _BUFFER) as file:
            output = Output(file)
            yield output
        self.written.append(Written(name, output.bytes, output.sha256))

    def add(self, name: str, content: bytes) -> None:
        """A new file of this content."""
        with self.create(name) as file:
            file.write(content)


def zipped(folder: Path, target: Path) -> None:
    """Write a folder into a zip, in which it has the same name. Same files give the same bytes."""
    with (
        os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive,
    ):
        for path in sorted(one for one in folder.rglob("*") if one.is_file()):
            name = f"{target.name.removesuffix('.zip').removesuffix('.part').lstrip('.')}/{path.relative_to(folder)}"
            about = zipfile.ZipInfo(name)
            about.compress_type, about.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
            with path.open("rb") as source, archive.open(about, "w", force_zip64=True) as copy:
                shutil.copyfileobj(source, copy, _BUFFER)
