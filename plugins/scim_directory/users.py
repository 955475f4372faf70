"""A user as a directory tells it (RFC 7643 §4.1): attribute names compare without case, values may be missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class User:
    """One resource of ``/Users``."""

    resource: Mapping[str, Any]

    @property
    def user_name(self) -> str:
        """The name that the user logs in with."""
        return self.text("userName")

    @property
    def active(self) -> bool | None:
        """Whether the account may be used; None where the directory doesn't say."""
        value = self.attribute("active")
        if isinstance(value, str):  # some directories write booleans as text
            return {"true": True, "false": False}.get(value.strip().lower())
        return value if isinstance(value, bool) else None

    @property
    def email(self) -> str:
        """The primary address, else the first one, else the user name where it is an address; may be empty."""
        emails = self.attribute("emails")
        entries = [entry for entry in emails if isinstance(entry, dict)] if isinstance(emails, list) else []
        entries.sort(key=lambda entry: str(_get(entry, "primary")).lower() != "true")
        addresses = [str(value).strip() for entry in entries if (value := _get(entry, "value"))]
        if addresses:
            return addresses[0]
        return self.user_name if self._named_by_address else ""

    @property
    def name(self) -> str:
        """The name that people see; the user name where there is none and it is no address; may be empty."""
        parts = " ".join(part for part in (self.text("name.givenName"), self.text("name.familyName")) if part)
        shown = self.text("displayName") or self.text("name.formatted") or parts
        return shown or ("" if self._named_by_address else self.user_name)

    @property
    def _named_by_address(self) -> bool:
        local, _, domain = self.user_name.partition("@")
        return bool(local and domain) and not any(c.isspace() for c in self.user_name)

    def text(self, path: str) -> str:
        """``attribute`` as text without white space around it; empty where it is missing or no single value."""
        value = self.attribute(path)
        return "" if value is None or isinstance(value, dict | list) else str(value).strip()

    def attribute(self, path: str) -> Any:
        """A value by its path: ``userName``, ``name.formatted``, or an extension's ``urn:…:User:endDate``.

        None where it is missing.
        """
        schema, _, name = path.rpartition(":")
        at: Any = _get(self.resource, schema) if schema else self.resource
        for part in name.split("."):
            at = _get(at, part)
        return at


def _get(holder: Any, name: str) -> Any:
    if not isinstance(holder, Mapping):
        return None
    wanted = name.lower()
    return next((value for key, value in holder.items() if str(key).lower() == wanted), None)
