"""What an export holds: a snapshot of a workspace's published results, and its rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal
from uuid import UUID, uuid5

from bitbucket_compliance.core.errors import PipelineError

GENERATOR: Final = "bitbucket-compliance"
# Version of the files' formats; raise it when one changes.
GENERATOR_VERSION: Final = "1.0"

# Ids are made of what they identify, so that the same snapshot gives the same file.
_IDS: Final = UUID("2a1f6f54-5c0b-5c63-9d0e-6f2b1f6f7a10")

Counts = Counter[tuple[str, str]]
"""Verdicts by (test, status)."""

AskedFor = Literal["now", "instant", "run"]


class ExportRefused(PipelineError):
    """What was asked for can't be exported; the message says what to do."""


class ExportWrong(PipelineError):
    """The written file differs from the database; it was removed."""


@dataclass(frozen=True)
class Verdict:
    """One row: the columns of ``compliance.current_results`` in their order, then who accepted its risk or evidence.

    For an earlier instant ``evaluated_at`` and ``fresh_until`` are None: history keeps when a verdict began to hold and
    when it was stale, not when it was confirmed last.
    """

    workspace: str
    test_id: str
    test_title: str
    severity: str
    subject_type: str
    subject_id: str
    subject_name: str
    status: str
    basis: str | None
    reason_code: str
    reason: str
    remediation: str | None
    detail: dict[str, Any]
    first_seen_at: datetime
    status_since: datetime
    failing_since: datetime | None
    due_at: datetime | None
    exception_id: str | None
    evidence_id: str | None
    bypassable: bool | None
    bypassed: int | None
    data_as_of: datetime | None
    fresh_until: datetime | None
    is_stale: bool
    evaluated_at: datetime | None
    run_id: str
    policy_version: str
    facts_hash: str
    workspace_id: str | None
    exception_owner: str | None = None
    exception_approver: str | None = None
    exception_reason: str | None = None
    exception_expires_at: datetime | None = None
    exception_self_accepted: bool | None = None
    evidence_self_accepted: bool | None = None

    @property
    def accepted_risk(self) -> str | None:
        """Who accepted its risk until when and why, as a sentence; None: nobody."""
        if self.exception_id is None:
            return None
        until = f" until {self.exception_expires_at:%Y-%m-%d %H:%M} UTC" if self.exception_expires_at else ""
        by = f" by {self.exception_approver}" if self.exception_approver else ""
        return f"Risk accepted{by}{until}: {self.exception_reason or 'no reason is kept'}"

    @property
    def seen_at(self) -> datetime:
        """When the facts were seen: the time of the data, else of the verdict, else since when it holds."""
        return self.data_as_of or self.evaluated_at or self.status_since


@dataclass(frozen=True)
class MappedControl:
    """A control of a framework that a test gives evidence for."""

    framework: str
    control: str
    strength: str
    source: str


@dataclass(frozen=True)
class PublishedTest:
    """A test of the catalogue, as published."""

    test_id: str
    title: str
    description: str
    controls: tuple[MappedControl, ...]


@dataclass(frozen=True)
class Snapshot:
    """Which results an export holds: those that were published for a workspace at an instant.

    Attributes:
        workspace: slug.
        asked_for: ``now``, an ``instant``, or a ``run``.
        as_of: the instant (UTC).
        run_id: the run asked for; otherwise the newest one that had published by then.
        last_run_at: when that run finished.
        policy_version: of that run.
        counts: verdicts as the database counts them.
        tests: the catalogue by test.
        record_sha256: digest of the link of the record that the run sealed, hex: whoever keeps the export can show
            later that nobody rewrote what stood before it. None: it sealed none.
    """

    workspace: str
    asked_for: AskedFor
    as_of: datetime
    run_id: str
    last_run_at: datetime
    policy_version: str
    counts: Counts
    tests: Mapping[str, PublishedTest]
    record_sha256: str | None = None

    @property
    def verdicts(self) -> int:
        """How many rows an export has."""
        return sum(self.counts.values())

    @property
    def by_status(self) -> dict[str, int]:
        """Verdicts by status."""
        found: Counter[str] = Counter()
        for (_, status), count in self.counts.items():
            found[status] += count
        return dict(sorted(found.items()))

    @property
    def name(self) -> str:
        """The name of its files without suffix: workspace, the run where one was asked for, and the instant."""
        moment = f"{self.as_of.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}"
        run = [f"run-{_file_safe(self.run_id)}"] if self.asked_for == "run" else []
        return "_".join([_file_safe(self.workspace), *run, moment])

    def uuid(self, *parts: str) -> str:
        """An id made of parts, for this workspace: the same in every export."""
        return stable_uuid(self.workspace, *parts)

    def describe(self) -> dict[str, Any]:
        """The content of a manifest, as JSON values."""
        tests = sorted({test_id for test_id, _ in self.counts})
        return {
            "generator": GENERATOR,
            "generator_version": GENERATOR_VERSION,
            "workspace": self.workspace,
            "asked_for": self.asked_for,
            "as_of": timestamp(self.as_of),
            "run_id": self.run_id,
            "policy_version": self.policy_version,
            "record_sha256": self.record_sha256,
            "verdicts": self.verdicts,
            "by_status": self.by_status,
            "by_test": {
                test_id: {status: count for (of, status), count in sorted(self.counts.items()) if of == test_id}
                for test_id in tests
            },
        }


def stable_uuid(*parts: str) -> str:
    """A version 5 uuid made of the parts; no two lists of parts share one."""
    return str(uuid5(_IDS, "".join(f"{len(part)}:{part}" for part in parts)))


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC, to the microsecond: ``2026-03-31T12:00:00.000000Z``."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def optional_timestamp(moment: datetime | None) -> str | None:
    """The same; None stays None."""
    return timestamp(moment) if moment else None


def one_line(text: str) -> str:
    """The text as one line: any run of white space or control characters becomes a space; never empty."""
    cleaned = "".join(" " if character.isspace() or not character.isprintable() else character for character in text)
    return " ".join(cleaned.split()) or "(empty)"


def _file_safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text).strip("-.")[:80] or "unnamed"
