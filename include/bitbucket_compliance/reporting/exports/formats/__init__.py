"""The formats, by name. The module of a format, and the library behind it, is imported when an export asks for it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from bitbucket_compliance.reporting.exports.model import Counts, ExportRefused, Snapshot, Verdict

#: What OCSF, OSCAL and Parquet need beyond the server's own packages.
REQUIREMENTS: Final = Path(__file__).parents[1] / "requirements.txt"
_FORMATS: Final[Mapping[str, tuple[str, str]]] = {
    # name: (module, how file names end)
    "ocsf": ("ocsf", "ocsf.jsonl"),
    "ocsf-array": ("ocsf_array", "ocsf.json"),
    "oscal": ("oscal", "oscal.json"),
    "csv": ("csv_table", "csv"),
    "csv-excel": ("csv_excel", "excel.csv"),
    "parquet": ("parquet_table", "parquet"),
}
NAMES: Final = tuple(_FORMATS)


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        suffix: how its file names end.
        write: writes every verdict of a snapshot, each validated on its way.
        count: reads a written file as another tool would, validates it, and counts its verdicts.
    """

    name: str
    suffix: str
    write: Callable[[IO[bytes], Snapshot, Iterable[Verdict]], None]
    count: Callable[[IO[bytes]], Counts]


def load(name: str) -> Format:
    """The format of a name.

    Raises:
        ExportRefused: there is no such format, or its library is not installed; the message says how to install it.
    """
    if name not in _FORMATS:
        raise ExportRefused(f"FORMAT={name or '(empty)'}: choose one of {', '.join(NAMES)}")
    module_name, suffix = _FORMATS[name]
    try:
        module = importlib.import_module(f"{__name__}.{module_name}")
    except ModuleNotFoundError as missing:
        raise ExportRefused(
            f"FORMAT={name}: the Python module {missing.name} is not installed; run: pip install -r {REQUIREMENTS}"
        ) from None
    return Format(name, suffix, module.write, module.count)
