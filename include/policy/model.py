"""The policy model: YAML defaults, one overriding file, errors that name the key, a version that names the content."""

import hashlib
import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from include.pipeline.errors import PolicyInvalid

DEFAULTS = Path(__file__).with_name("default.yaml")
OVERRIDE_VARIABLE = "COMPLIANCE_POLICY_FILE"

Severity = Literal["critical", "high", "medium"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class TestPolicy(_Strict):
    """Switch and severity of one test."""

    __test__ = False  # not a pytest class

    enabled: bool
    severity: Severity


class Numbers(_Strict):
    """The numbers of design.md §5, in the units their names carry; shares are fractions of one."""

    min_passing_builds: int = Field(ge=1)
    min_approvals: int = Field(ge=1)
    required_protections: list[str] = Field(min_length=1)
    behaviour_window_days: int = Field(ge=1, le=3650)
    behaviour_sample: int = Field(ge=1, le=50)
    behaviour_min_sample: int = Field(ge=1)
    offboarding_grace_days: int = Field(ge=0)
    roster_max_age_days: float = Field(ge=0)
    time_zone: str
    evidence_validity_days: int = Field(ge=0)
    allow_self_review: bool
    bodies_kept_days: int = Field(ge=1)
    max_error_share: float = Field(ge=0, le=1)
    max_shrink_share: float = Field(ge=0, le=1)
    reread_hours: float = Field(ge=0, le=720)
    reading_hours: float = Field(ge=0, le=720)
    max_data_age_hours: float = Field(ge=0)
    due_days_critical: int = Field(ge=0)
    due_days_high: int = Field(ge=0)
    due_days_medium: int = Field(ge=0)

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
    defaults = yaml.safe_load(DEFAULTS.read_text(encoding="utf-8"))
    path = override or _override_from_environment()
    if path is None:
        return Policy.model_validate(defaults)
    changes = _read(path)
    known_tests = set(defaults["tests"])
    for section in ("tests", "numbers"):
        if not isinstance(changes.get(section) or {}, dict):
            raise PolicyInvalid(f"{path}: {section}: must be a mapping; include/policy/default.yaml shows every key")
    unknown = sorted(str(name) for name in (changes.get("tests") or {}) if name not in known_tests)
    if unknown:
        raise PolicyInvalid(f"{path}: unknown test tests.{unknown[0]}; the tests are {', '.join(sorted(known_tests))}")
    try:
        return Policy.model_validate(_merged(defaults, changes))
    except ValidationError as invalid:
        first = invalid.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        reason = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
        raise PolicyInvalid(f"{path}: {key}: {reason}; include/policy/default.yaml shows every key") from invalid


def _override_from_environment() -> Path | None:
    named = os.environ.get(OVERRIDE_VARIABLE, "").strip()
    return Path(named).expanduser() if named else None


def _read(path: Path) -> dict[str, Any]:
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


def _merged(base: Any, changes: Any) -> Any:
    """``changes`` over ``base``; a key that is present but empty keeps the default."""
    if changes is None:
        return base
    if isinstance(base, dict) and isinstance(changes, dict):
        keys = [*base, *(key for key in changes if key not in base)]
        return {key: _merged(base.get(key), changes[key]) if key in changes else base[key] for key in keys}
    return changes
