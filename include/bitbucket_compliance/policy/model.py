"""The policy model: YAML defaults, one overriding file, errors that name the key, a version that names the content.

What a workspace changes on top of these stands in the database; see ``bitbucket_compliance.policy.overrides``.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bitbucket_compliance.core.errors import PolicyInvalid

DEFAULTS = Path(__file__).with_name("default.yaml")
OVERRIDE_VARIABLE = "COMPLIANCE_POLICY_FILE"

Severity = Literal["critical", "high", "medium"]

# The kinds of Bitbucket's branch restrictions, as its official document lists them (definition branchrestriction).
RESTRICTION_KINDS = (
    "push",
    "force",
    "delete",
    "restrict_merges",
    "require_approvals_to_merge",
    "require_default_reviewer_approvals_to_merge",
    "require_review_group_approvals_to_merge",
    "require_passing_builds_to_merge",
    "require_commits_behind",
    "require_tasks_to_be_completed",
    "require_no_changes_requested",
    "require_all_comments_resolved",
    "require_all_dependencies_merged",
    "reset_pullrequest_approvals_on_change",
    "reset_pullrequest_changes_requested_on_change",
    "smart_reset_pullrequest_approvals",
    "enforce_merge_checks",
    "allow_auto_merge_when_builds_pass",
)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class TestPolicy(_Strict):
    """Switch and severity of one test."""

    __test__ = False  # not a pytest class

    enabled: bool
    severity: Severity


# Bounds that no sane policy reaches: they catch a slip of the hand, and keep sums of dates inside the calendar.
Count = Annotated[int, Field(ge=1, le=100)]
Days = Annotated[int, Field(ge=0, le=3650)]
Share = Annotated[float, Field(ge=0, le=1)]


class Numbers(_Strict):
    """The numbers of design.md §5, in the units their names carry; shares are fractions of one."""

    min_passing_builds: Count
    min_approvals: Count
    required_protections: list[str] = Field(min_length=1)
    behaviour_window_days: int = Field(ge=1, le=3650)
    behaviour_sample: int = Field(ge=1, le=50)
    behaviour_min_sample: int = Field(ge=1, le=1000)
    offboarding_grace_days: Days
    roster_max_age_days: float = Field(ge=0, le=3650)
    time_zone: str
    evidence_validity_days: Days
    allow_self_review: bool
    bodies_kept_days: int = Field(ge=1, le=3650)
    max_error_share: Share
    max_shrink_share: Share
    reread_hours: float = Field(ge=0, le=720)
    reading_hours: float = Field(ge=0, le=720)
    events_budget_share: Share
    events_kept_days: int = Field(ge=1, le=3650)
    max_data_age_hours: float = Field(ge=0, le=87_600)
    due_days_critical: Days
    due_days_high: Days
    due_days_medium: Days

    @field_validator("required_protections")
    @classmethod
    def _known_restrictions(cls, kinds: list[str]) -> list[str]:
        unknown = [kind for kind in kinds if kind not in RESTRICTION_KINDS]
        if unknown:
            raise ValueError(
                f"{unknown[0]!r} is no kind of branch restriction; Bitbucket's are {', '.join(RESTRICTION_KINDS)}"
            )
        return list(dict.fromkeys(kinds))

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError) as unknown:
            raise ValueError(f"{name!r} is no IANA time zone") from unknown
        return name


class Policy(_Strict):
    """Everything the rules read besides staging and registry."""

    tests: dict[str, TestPolicy]
    numbers: Numbers

    @property
    def version(self) -> str:
        """Twelve hexadecimal digits that change exactly when the content does."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    def enabled(self, test_id: str) -> bool:
        """Whether the policy asks for the test."""
        return self.tests[test_id].enabled

    def time_to_fix(self, severity: str) -> timedelta:
        """How long after a verdict turned failing it must be fixed."""
        return timedelta(days=getattr(self.numbers, f"due_days_{severity}"))


def load_policy(override: Path | None = None) -> Policy:
    """The defaults, overridden key by key by ``override`` or the file named by ``COMPLIANCE_POLICY_FILE``.

    A missing key or an empty file keeps the defaults.

    Raises:
        PolicyInvalid: the file is missing or no YAML mapping, or a key or value is not known; names file and key.
    """
    path = override or _override_from_environment()
    return defaults() if path is None else merged(defaults(), read_changes(path), str(path))


def defaults() -> Policy:
    """The policy as it is delivered."""
    return Policy.model_validate(yaml.safe_load(DEFAULTS.read_text(encoding="utf-8")))


def merged(base: Policy, changes: Mapping[str, Any], source: str) -> Policy:
    """``changes`` over ``base``, key by key; a key that is present but empty changes nothing.

    Args:
        source: whose changes these are, as an error should call it.

    Raises:
        PolicyInvalid: a key or value is not known; names source and key.
    """
    for section in ("tests", "numbers"):
        if not isinstance(changes.get(section) or {}, dict):
            raise PolicyInvalid(f"{source}: {section}: must be a mapping; policy/default.yaml shows every key")
    unknown = sorted(str(name) for name in (changes.get("tests") or {}) if name not in base.tests)
    if unknown:
        raise PolicyInvalid(f"{source}: unknown test tests.{unknown[0]}; the tests are {', '.join(sorted(base.tests))}")
    try:
        return Policy.model_validate(_over(base.model_dump(mode="json"), changes))
    except ValidationError as invalid:
        first = invalid.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        reason = "unknown key" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
        raise PolicyInvalid(f"{source}: {key}: {reason}; policy/default.yaml shows every key") from invalid


def contradictions(policy: Policy) -> list[str]:
    """Pairs of numbers that are fine each by itself and together keep a rule from ever deciding, in plain words."""
    numbers = policy.numbers
    found = []
    if numbers.behaviour_min_sample > numbers.behaviour_sample:
        found.append(
            f"numbers.behaviour_min_sample ({numbers.behaviour_min_sample}) is larger than numbers.behaviour_sample "
            f"({numbers.behaviour_sample}): behaviour could never show that status checks are required; "
            "raise the one or lower the other"
        )
    if numbers.reread_hours > numbers.max_data_age_hours:
        found.append(
            f"numbers.reread_hours ({numbers.reread_hours:g}) is larger than numbers.max_data_age_hours "
            f"({numbers.max_data_age_hours:g}): an untouched repository would be too old to pass before it is read "
            "again; lower the one or raise the other"
        )
    return found


def _override_from_environment() -> Path | None:
    named = os.environ.get(OVERRIDE_VARIABLE, "").strip()
    return Path(named).expanduser() if named else None


def read_changes(path: Path) -> dict[str, Any]:
    """What a YAML file changes in the policy; nothing where it is empty.

    Raises:
        PolicyInvalid: the file can't be read, or is no YAML mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as unreadable:
        reason = getattr(unreadable, "strerror", None) or "not UTF-8 text"
        raise PolicyInvalid(
            f"{path}: the policy file can't be read ({reason}); check {OVERRIDE_VARIABLE}"
        ) from unreadable
    except yaml.YAMLError as broken:
        mark = getattr(broken, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise PolicyInvalid(f"{path}: the policy file is no valid YAML{where}") from broken
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise PolicyInvalid(f"{path}: the policy file must hold a mapping with the keys tests and numbers")
    return content


def _over(base: Any, changes: Any) -> Any:
    """``changes`` over ``base``; a key that is present but empty keeps what was there."""
    if changes is None:
        return base
    if isinstance(base, dict) and isinstance(changes, dict):
        keys = [*base, *(key for key in changes if key not in base)]
        return {key: _over(base.get(key), changes[key]) if key in changes else base[key] for key in keys}
    return changes
