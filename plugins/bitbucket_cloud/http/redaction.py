"""Keeps secrets out of messages and logs."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable
from urllib.parse import quote, quote_plus

MASK = "***"
#: Airflow's own masker starts at the same length; shorter values would blot out ordinary words.
SHORTEST_SECRET = 5
#: Characters of a server's message that are passed on.
LONGEST_NOTE = 200

_NAMES_OF_SECRETS = "|".join(
    ("access_token", "refresh_token", "client_secret", "id_token", "assertion", "password", "secret", "token")
)
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?i)\b(authorization\W{1,4})(?:(?:bearer|basic|jwt)\s+)?[^\s\"',}]+"), rf"\1{MASK}"),
    (re.compile(r"(?i)\b(bearer|basic|jwt)\s+[A-Za-z0-9+/=_.~-]{5,}"), rf"\1 {MASK}"),
    (re.compile(rf"(?i)([\"']?\b(?:{_NAMES_OF_SECRETS})[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;}}]+"), rf"\1{MASK}"),
    (re.compile(r"(?i)([a-z][a-z0-9+.-]*://)[^/\s@]+@"), rf"\1{MASK}@"),
)
_MARKUP = re.compile(r"<\s*[!/?a-zA-Z]")


class Redactor:
    """The secrets of one client; shared by its threads. ``on_secret`` is told of each, for log masking.

    Remembers each secret also as it looks in a URL and, with its login, in a Basic header.
    """

    def __init__(self, on_secret: Callable[[str], None] | None = None) -> None:
        self._on_secret = on_secret
        self._secrets: frozenset[str] = frozenset()
        self._lock = threading.Lock()

    def add(self, secret: str, *, login: str | None = None) -> None:
        """Mask ``secret`` from now on; ``login`` is its other half in a Basic header."""
        forms = {secret, quote(secret, safe=""), quote_plus(secret)}
        if login is not None:
            forms.add(base64.b64encode(f"{login}:{secret}".encode()).decode())
        with self._lock:
            self._secrets |= {form for form in forms if len(form) >= SHORTEST_SECRET}
        if self._on_secret is not None:
            self._on_secret(secret)

    def __call__(self, text: str) -> str:
        """``text`` with the secrets, and whatever looks like a credential, replaced by ``***``."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, MASK)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text

    def note(self, text: object) -> str:
        """A server's own words as one short line; empty where they aren't text or look like a web page."""
        if not isinstance(text, str) or _MARKUP.search(text):
            return ""
        line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        line = self(line)
        return line if len(line) <= LONGEST_NOTE else line[: LONGEST_NOTE - 1] + "…"
