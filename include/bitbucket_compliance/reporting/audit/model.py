"""What is asked for, and the names that its files share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from bitbucket_compliance.core.errors import PipelineError

#: raised when verify.py of an earlier version could not read a package any more
FORMAT: Final = 1
#: how often a control may operate, as the policy's sample_items_… have it
FREQUENCIES: Final = ("daily", "weekly", "monthly")


class AuditRefused(PipelineError):
    """The package that was asked for can't be made; the message says what to do."""


@dataclass(frozen=True)
class AuditRequest:
    """What somebody asks for.

    Attributes:
        workspace: slug.
        first_day, last_day: the period, days in UTC, the last one counts.
        seed: what samples are drawn by; empty: the digest of the population.
        framework: the one whose controls are shown, with its edition; empty: all.
        people: whether persons are named. Without it each is a pseudonym that means nothing outside the package, and
            files of evidence, which may name them, are left out.
        frequency: one of ``FREQUENCIES``, where the sample is as large as that of a control that operates so often;
            empty: as the population has it.
        read_samples: whether Bitbucket is asked of each sampled pull request when it was approved, changed and merged.
    """

    workspace: str
    first_day: date
    last_day: date
    seed: str = ""
    framework: str = ""
    people: bool = False
    frequency: str = ""
    read_samples: bool = False

    @property
    def starts_at(self) -> datetime:
        """When the period begins."""
        return datetime.combine(self.first_day, time(), UTC)

    @property
    def ends_at(self) -> datetime:
        """When it is over: this instant is no part of it."""
        return datetime.combine(self.last_day + timedelta(days=1), time(), UTC)

    @property
    def name(self) -> str:
        """The name of the folder and of the zip."""
        return f"audit_{self.workspace}_{self.first_day}_{self.last_day}"

    @property
    def keys(self) -> dict[str, Any]:
        """What every query of the package is given."""
        return {
            "workspace": self.workspace,
            "first_day": self.first_day,
            "last_day": self.last_day,
            "starts_at": self.starts_at,
            "ends_at": self.ends_at,
            "framework": self.framework or None,
        }
