"""Changes as a message: one template for all channels, every value escaped for the channel at hand."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import jinja2

from bitbucket_compliance.reporting.notifications.changes import Change

TEMPLATE: Final = Path(__file__).with_name("message.txt.j2")
# Changes of one kind that the text lists; the rest is counted, for chats cut or refuse what is too long.
LISTED: Final = 20
# Changes that the JSON of a webhook lists.
LISTED_AS_DATA: Final = 500

_KINDS: Final[Mapping[str, tuple[str, str]]] = {
    # kind of change: (title of its section, words for it in the subject)
    "failing": ("Newly failing", "newly failing"),
    "reopened": ("Re-opened: a risk is no longer accepted", "re-opened"),
    "overdue": ("Overdue", "overdue"),
    "expiring": ("Evidence that expires within 14 days", "evidence expiring"),
    "fixed": ("Fixed", "fixed"),
}
_ENDINGS: Final[Mapping[str, str]] = {
    "expired": "it expired",
    "facts_changed": "other facts came up",
    "withdrawn": "it was withdrawn",
}


@dataclass(frozen=True)
class Message:
    """A message that is ready to be sent.

    Attributes:
        subject: one line, escaped for its channel.
        text: escaped for its channel.
        data: the same as JSON values, names exactly as Bitbucket gives them.
        key: the same for the same changes, so that a receiver can drop a message that comes twice.
    """

    subject: str
    text: str
    data: Mapping[str, Any]
    key: str


def render(
    changes: Sequence[Change], escape: Callable[[str], str], records: Mapping[str, str] | None = None
) -> Message:
    """The message about at least one change.

    Args:
        records: the newest digest of each workspace's record (SHA-256, hex): a message leaves the house, and shows
            later that nobody rewrote what stood before it.
        escape: makes a text harmless in the channel. Every value of the template goes through it, so that none can be
            forgotten.
    """
    sections = [
        {"title": title, "changes": [change for change in changes if change.kind == kind]}
        for kind, (title, _) in _KINDS.items()
    ]
    sections = [section for section in sections if section["changes"]]
    workspaces = sorted({change.workspace for change in changes})
    heading = _heading(changes, workspaces)
    told = {workspace: digest for workspace, digest in (records or {}).items() if workspace in workspaces}
    # Not HTML: `finalize` escapes every value for the channel.
    environment = jinja2.Environment(  # nosec B701
        autoescape=False,  # noqa: S701
        finalize=lambda value: escape(str(value)),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"shorten": _shorten, "day": _day}
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    text = template.render(
        heading=heading, sections=sections, workspaces=len(workspaces), listed=LISTED, endings=_ENDINGS, records=told
    )
    return Message(escape(heading), text.strip() + "\n", _data(changes, workspaces) | {"records": told}, _key(changes))


def _heading(changes: Sequence[Change], workspaces: Sequence[str]) -> str:
    counts = Counter(change.kind for change in changes)
    summary = ", ".join(f"{counts[kind]} {words}" for kind, (_, words) in _KINDS.items() if counts[kind])
    others = f" and {len(workspaces) - 3} others" if len(workspaces) > 3 else ""
    return f"Bitbucket compliance, {' and '.join(workspaces[:3])}{others}: {summary}"


def _data(changes: Sequence[Change], workspaces: Sequence[str]) -> dict[str, Any]:
    return {
        "workspaces": list(workspaces),
        "total": len(changes),
        "changes": [
            {
                name: value.isoformat() if isinstance(value, datetime) else value
                for name, value in asdict(change).items()
            }
            for change in changes[:LISTED_AS_DATA]
        ],
    }


def _key(changes: Sequence[Change]) -> str:
    return hashlib.sha256("\n".join(sorted(change.change_key for change in changes)).encode()).hexdigest()


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"
