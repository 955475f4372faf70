"""What the columns and words of a roster mean: a mapping for each kind of source, as data (``mappings/*.yaml``).

``default.yaml`` reads what most reports write. A preset, or a mapping of one's own, takes the place of what it names.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import yaml

from bitbucket_compliance.core.errors import SourceWrong
from bitbucket_compliance.registry.tables.file import plain_name

ROSTER_COLUMNS = ("email", "name", "status", "end_date", "account_id")
EMPLOYMENT = ("active", "on_leave", "terminated")
DEFAULT: Final = "default"
LARGEST_MAPPING: Final = 100_000
_FOLDER: Final = Path(__file__).parent / "mappings"
_KEYS: Final = ("columns", "statuses", "date_format", "time_zone")
_DATE_PARTS: Final = ("DD", "YY")


@dataclass(frozen=True)
class RosterMapping:
    """How one kind of source writes a roster.

    Attributes:
        name: of the preset, or of the file.
        columns: by our name of a column, the headings that mean it, the preferred first.
        statuses: by a word in plain spelling (``plain_name``), ``active``, ``on_leave`` or ``terminated``.
        date_format: such as ``DD.MM.YYYY``; empty: what can be read in one way alone.
        time_zone: the zone in which an instant becomes a day; empty: the policy's.
    """

    name: str
    columns: Mapping[str, tuple[str, ...]]
    statuses: Mapping[str, str]
    date_format: str = ""
    time_zone: str = ""

    @property
    def body(self) -> dict[str, Any]:
        """What it says, for the record."""
        return {
            "columns": {ours: list(theirs) for ours, theirs in self.columns.items()},
            "statuses": dict(self.statuses),
            "date_format": self.date_format,
            "time_zone": self.time_zone,
        }

    @property
    def version(self) -> str:
        """Twelve hexadecimal digits that change exactly when the content does."""
        canonical = json.dumps(self.body, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    @cached_property
    def headings(self) -> frozenset[str]:
        """Every heading that means something, in plain spelling."""
        return frozenset(plain_name(heading) for theirs in self.columns.values() for heading in theirs)

    @property
    def header_rule(self) -> tuple[tuple[str, ...], ...]:
        """The headings of a roster: one for the status, and one that names people."""
        return self._plain("status"), self._plain("email", "account_id", "name")

    def _plain(self, *ours: str) -> tuple[str, ...]:
        return tuple(filter(None, (plain_name(heading) for column in ours for heading in self.columns[column])))


def presets() -> tuple[str, ...]:
    """The names of the mappings that are delivered."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def load_mapping(name: str = "") -> RosterMapping:
    """A mapping by the name of a preset, or by the path of a YAML file; empty: the default.

    Raises:
        SourceWrong: there is none, or it holds what no mapping holds; names the key.
    """
    if not name or name == DEFAULT:
        return _default()
    path = _FOLDER / f"{name}.yaml" if name in presets() else Path(name)
    if path.suffix not in (".yaml", ".yml"):
        raise SourceWrong(f"mapping {name!r} is unknown; known: {', '.join(presets())}, or the path of a YAML file")
    return _over(_default(), _read(path), path.stem)


def _default() -> RosterMapping:
    return _over(
        RosterMapping(DEFAULT, dict.fromkeys(ROSTER_COLUMNS, ()), {}), _read(_FOLDER / "default.yaml"), DEFAULT
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_bytes()[: LARGEST_MAPPING + 1].decode("utf-8-sig")
        found = yaml.safe_load(text) if len(text) <= LARGEST_MAPPING else None
    except OSError as unreadable:
        raise SourceWrong(f"{path}: the mapping can't be read ({unreadable.strerror})") from unreadable
    except (UnicodeDecodeError, yaml.YAMLError) as broken:
        raise SourceWrong(f"{path}: the mapping is no YAML") from broken
    if not isinstance(found, dict):
        raise SourceWrong(f"{path}: the mapping must hold keys, known: {', '.join(_KEYS)}")
    for key in found:
        if key not in _KEYS:
            raise SourceWrong(f"{path}: {key}: unknown key; known: {', '.join(_KEYS)}")
    return found


def _over(base: RosterMapping, changes: Mapping[str, Any], name: str) -> RosterMapping:
    """A mapping over another one: each column and status list that it names takes the place of the other's."""
    columns = dict(base.columns)
    for ours, theirs in _section(changes, "columns", name, ROSTER_COLUMNS).items():
        columns[ours] = theirs
    statuses = dict(base.statuses)
    for status, words in _section(changes, "statuses", name, EMPLOYMENT).items():
        statuses |= {plain_name(word): status for word in words}
    date_format = str(changes.get("date_format") or base.date_format)
    if date_format and not all(part in date_format for part in (*_DATE_PARTS, "M")):
        raise SourceWrong(f"mapping {name}: date_format: {date_format!r} must name DD, MM and YYYY, such as DD.MM.YYYY")
    time_zone = str(changes.get("time_zone") or base.time_zone)
    try:
        _ = ZoneInfo(time_zone or "UTC")
    except (KeyError, ValueError, OSError):
        raise SourceWrong(f"mapping {name}: time_zone: {time_zone!r} is no IANA time zone") from None
    return RosterMapping(name, columns, statuses, date_format, time_zone)


def _section(changes: Mapping[str, Any], section: str, name: str, known: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    given = changes.get(section) or {}
    if not isinstance(given, dict):
        raise SourceWrong(f"mapping {name}: {section}: must hold keys, known: {', '.join(known)}")
    found = {}
    for key, value in given.items():
        words = value if isinstance(value, list) else [value]
        if key not in known or not all(isinstance(word, str) for word in words):
            raise SourceWrong(f"mapping {name}: {section}.{key}: is no list of texts; known keys: {', '.join(known)}")
        found[key] = tuple(words)
    return found
