"""Make texts that others wrote harmless in a channel: repository names may hold markup, mentions and line breaks."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Characters that reorder or hide their neighbours; joiners stay, because scripts and emoji need them.
_DECEIVING: Final = re.compile("[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]")
_ENTITIES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# Invisible, and enough that @channel is no mention and a bare address no link.
_BREAK: Final = "\u2060"


def plain(text: str) -> str:
    """One line without control characters, for e-mail and whatever shows plain text."""
    visible = (" " if unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs") else character for character in text)
    return " ".join(_DECEIVING.sub("", "".join(visible)).split())


def mentionless(text: str) -> str:
    """The same, with nothing that a chat takes for a mention: a webhook often ends in one."""
    return plain(text).replace("@", f"@{_BREAK}")


def slack(text: str) -> str:
    """The same for Slack, whose own markup begins with ``<`` and ``&``.

    Source: https://docs.slack.dev/messaging/formatting-message-text#escaping
    """
    return mentionless(text).translate(_ENTITIES)
