"""The formats, by name; the module of one, and the library behind it, is loaded when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from typing import IO, Final, Protocol, cast

from bitbucket_compliance.reporting.exports.model import Counts, ExportRefused, State, Verdict

_MODULES: Final[Mapping[str, tuple[str, str]]] = {
    # name: (end of the file name, module)
    "ocsf": ("ocsf.jsonl", "bitbucket_compliance.reporting.exports.ocsf"),
    "oscal": ("oscal.json", "bitbucket_compliance.reporting.exports.oscal"),
    "csv": ("csv", "bitbucket_compliance.reporting.exports.csv_table"),
    "parquet": ("parquet", "bitbucket_compliance.reporting.exports.parquet_table"),
}
NAMES: Final = tuple(_MODULES)


class Format(Protocol):
    """What a module of a format offers."""

    def write(self, file: IO[bytes], state: State, verdicts: Iterable[Verdict]) -> None:
        """Write every verdict, and of which state they are; each is validated on its way."""

    def count(self, file: IO[bytes]) -> Counts:
        """Read a written file as another tool would, validate it, and count what it says."""


def suffix(name: str) -> str:
    """How the names of its files end.

    Raises:
        ExportRefused: there is no such format.
    """
    if name not in _MODULES:
        raise ExportRefused(f"FORMAT={name or '(empty)'}: choose one of {', '.join(NAMES)}")
    return _MODULES[name][0]


def load(name: str) -> Format:
    """The module of a format."""
    suffix(name)
    return cast(Format, importlib.import_module(_MODULES[name][1]))
