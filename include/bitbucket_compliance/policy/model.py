"""The policy model: thresholds with their defaults, the switches of the tests, errors that name the key.

This package knows no test. Which there are, with their defaults and the thresholds that belong to one of them alone,
is told to ``delivered``; see ``bitbucket_compliance.security_tests.policies``.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, get_args
from zoneinfo import ZoneInfo

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model

from bitbucket_compliance.core.errors import PolicyInvalid

OVERRIDE_VARIABLE = "COMPLIANCE_POLICY_FILE"
#: Levels of a policy file; a list of a threshold is the third.
DEEPEST = 10
SEE_ALL = "docs/policy.md lists every key"

Severity = Literal["critical", "high", "medium"]
SEVERITIES: tuple[str, ...] = get_args(Severity)


class Weaker(Enum):
    """Which change of a threshold asks for less than before: somebody else has to accept it (``weakened``).

    A threshold says so in its type, as ``Annotated[Days, Weaker.WHEN_HIGHER]``; one that says nothing is weaker when it
    changes.
    """

    WHEN_HIGHER = "higher"
    WHEN_LOWER = "lower"
    WHEN_ONE_IS_MISSING = "one is missing"
    WHEN_ONLY_REPORTED = "only reported"
    WHEN_CHANGED = "changed"
    NEVER = "never"

    def is_weaker(self, new: Any, old: Any) -> bool:
        """Whether ``new`` asks for less than ``old``."""
        match self:
            case Weaker.WHEN_HIGHER:
                return bool(_or_without_limit(new) > _or_without_limit(old))
            case Weaker.WHEN_LOWER:
                return bool(new < old)
            case Weaker.WHEN_ONLY_REPORTED:
                return bool(new == "report" != old)
            case Weaker.WHEN_ONE_IS_MISSING:
                return not set(old) <= set(new)
            case Weaker.WHEN_CHANGED:
                return bool(new != old)
            case Weaker.NEVER:
                return False


def _or_without_limit(limit: float | None) -> float:
    return math.inf if limit is None else limit


# Bounds that no sane policy reaches: they catch a slip of the hand, and keep sums of dates inside the calendar.
Count = Annotated[int, Field(ge=1, le=100)]
Days = Annotated[int, Field(ge=0, le=3650)]
PositiveDays = Annotated[int, Field(ge=1, le=3650)]
Hours = Annotated[float, Field(ge=0, le=720)]
Share = Annotated[float, Field(ge=0, le=1)]


SampleItems = Annotated[int, Field(ge=1, le=1000)]
SampleSize = Annotated[str, Field(pattern=r"^([1-9]\d{0,8}|more): ([1-9]\d{0,5}|([1-9]\d?|100) %)$")]


def _ends_with_more(lines: list[str]) -> list[str]:
    if not lines or not lines[-1].startswith("more: "):
        raise ValueError('the last line must be for all larger populations, such as "more: 25"')
    return lines


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as unknown:
        raise ValueError(f"{name!r} is no IANA time zone") from unknown
    return name


class _Strict(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True, use_attribute_docstrings=True
    )


class TestPolicy(_Strict):
    """Switch and severity of one test."""

    __test__ = False  # not a pytest class

    enabled: bool
    severity: Severity


class Thresholds(_Strict):
    """The thresholds of design.md §5 that several tests or the pipeline itself read; shares are fractions of one.

    Those of a single test stand in that test; ``delivered`` adds them.
    """

    behaviour_window_days: PositiveDays = 90
    """The window of behaviour: pull requests merged and pipelines run in the last so many days."""
    population_days: Annotated[PositiveDays, Weaker.WHEN_LOWER] = 90
    """Days that a repository's first reading reaches back for the population of changes; never less than
    `behaviour_window_days`."""
    behaviour_sample: Annotated[int, Field(ge=1, le=50), Weaker.WHEN_LOWER] = 5
    """Number of the newest merged pull requests whose builds are looked at."""
    behaviour_min_sample: Annotated[int, Field(ge=1, le=1000), Weaker.WHEN_LOWER] = 3
    """Number of merged pull requests from which on a repository may pass by its merges, if none broke the rule."""
    merge_checks_valid_days: Annotated[Days, Weaker.WHEN_HIGHER] = 14
    """Days for which merge checks still decide after they were last seen on an open pull request."""
    roster_max_age_days: Annotated[float, Field(ge=0, le=3650), Weaker.WHEN_HIGHER] = 7
    """Days after its import for which a roster decides; an older one decides nothing."""
    roster_precedence: Annotated[list[Annotated[str, Field(min_length=1)]], Weaker.WHEN_CHANGED] = []
    """Names of rosters, where there are several: the first that names a person decides. Those that are not listed come
    last; where two of the same rank contradict each other, neither decides."""
    max_bad_row_share: Annotated[Share, Weaker.WHEN_HIGHER] = 0.05
    """Largest share of unusable rows with which a roster is still taken; with more it is refused as a whole."""
    domains_without_dots: Annotated[list[Annotated[str, Field(min_length=1)]], Weaker.WHEN_CHANGED] = []
    """Domains where dots before the `@` of an address make no difference, such as `gmail.com`."""
    domains_without_tags: Annotated[list[Annotated[str, Field(min_length=1)]], Weaker.WHEN_CHANGED] = []
    """Domains where a `+tag` before the `@` of an address makes no difference."""
    time_zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    """IANA time zone in which days begin and end."""
    evidence_validity_days: Annotated[Days, Weaker.WHEN_HIGHER] = 90
    """Days for which evidence holds, from its day of capture."""
    allow_self_review: Annotated[bool, Weaker.WHEN_HIGHER] = False
    """Whether the person who submits evidence or owns an exception may also decide on it: for teams of one."""
    bodies_kept_days: Annotated[int, Field(ge=30, le=3650), Weaker.WHEN_LOWER] = 400
    """Days for which an answer of Bitbucket is kept after it was last seen."""
    history_kept_days: Annotated[int, Field(ge=400, le=36_500), Weaker.WHEN_LOWER] = 2557
    """Days for which published results, findings, changes, memberships and runs are kept after they ended. Seven years
    by default; never less than `population_days`."""
    packages_kept_days: Annotated[int, Field(ge=30, le=36_500), Weaker.WHEN_LOWER] = 400
    """Days for which the zip of an audit package made in the console is kept. The record of it stays: what it was, its
    digest, and who downloaded it."""
    max_error_share: Annotated[Share, Weaker.WHEN_HIGHER] = 0.9
    """A run is not published if it could read nothing of a larger share of its repositories, and of more than three."""
    max_shrink_share: Annotated[Share, Weaker.WHEN_HIGHER] = 0.10
    """A run is not published if a listing lost a larger share of its objects and more than three, or became empty."""
    reread_hours: Annotated[Hours, Weaker.WHEN_HIGHER] = 20
    """Hours after which a repository is read again although nothing changed; below 24, a daily run reads all."""
    reading_hours: Annotated[Hours, Weaker.NEVER] = 20
    """Hours for which a run waits for requests at most; then it publishes what it has read."""
    events_budget_share: Annotated[Share, Weaker.NEVER] = 0.25
    """Share of the hour's requests that runs which answer webhooks may send."""
    events_kept_days: Annotated[PositiveDays, Weaker.WHEN_LOWER] = 90
    """Days for which events of webhooks are kept."""
    sample_sizes: Annotated[list[SampleSize], AfterValidator(_ends_with_more), Weaker.WHEN_CHANGED] = [
        "5: 100 %",
        "50: 5",
        "250: 10 %",
        "more: 25",
    ]
    """Size of a sample by the size of its population: `50: 5` means 5 rows of up to 50, `250: 10 %` a tenth of up to
    250, rounded up. The first line that the population fits into counts; the line `more` is for all larger ones."""
    sample_items_daily: Annotated[SampleItems, Weaker.WHEN_LOWER] = 25
    """Rows of a sample of a control that operates daily, where that is how the sample is asked for."""
    sample_items_weekly: Annotated[SampleItems, Weaker.WHEN_LOWER] = 10
    """Rows of a sample of a control that operates weekly."""
    sample_items_monthly: Annotated[SampleItems, Weaker.WHEN_LOWER] = 3
    """Rows of a sample of a control that operates monthly."""
    max_data_age_hours: Annotated[float, Field(ge=0, le=87_600), Weaker.WHEN_HIGHER] = 48
    """Hours after the reading of its data for which a verdict may be relied on."""
    due_days_critical: Annotated[Days, Weaker.WHEN_HIGHER] = 7
    """Days to fix a failure of severity critical."""
    due_days_high: Annotated[Days, Weaker.WHEN_HIGHER] = 30
    """Days to fix a failure of severity high."""
    due_days_medium: Annotated[Days, Weaker.WHEN_HIGHER] = 90
    """Days to fix a failure of severity medium."""

    def __getitem__(self, name: str) -> Any:
        """A threshold by its name: the way to those that belong to one test."""
        return getattr(self, name)

    def day_of(self, moment: datetime) -> date:
        """The day of an instant (aware), in the policy's time zone."""
        return moment.astimezone(ZoneInfo(self.time_zone)).date()


class EvidencePolicy(_Strict):
    """How evidence comes to count."""

    review: Literal["required", "operator"] = "operator"
    """`operator`: whoever imports an export of two-step verification on the command line also accepts it by the import;
    the evidence is then marked `self_accepted`. `required`: somebody else has to accept it, as with what is uploaded in
    the console or imported by a DAG."""


class Policy(_Strict):
    """Everything the rules read besides staging and registry."""

    tests: dict[str, TestPolicy]
    thresholds: Thresholds
    evidence: EvidencePolicy = EvidencePolicy()

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
        return timedelta(days=self.thresholds[f"due_days_{severity}"])


# ------------------------------------------------------------------ defaults


@dataclass(frozen=True)
class Threshold:
    """A threshold that belongs to one test.

    Attributes:
        name: its key below ``thresholds``; no other threshold is called so.
        default: as it is delivered.
        meaning: one sentence, which names the unit.
        type: what may be set, as pydantic takes it.
        weaker: which change asks for less than before.
    """

    name: str
    default: Any
    meaning: str
    type: Any
    weaker: Weaker = Weaker.WHEN_CHANGED


class PolicyOfTest(Protocol):
    """What a test says of its policy."""

    @property
    def test_id(self) -> str: ...
    @property
    def enabled(self) -> bool: ...
    @property
    def severity(self) -> Severity: ...
    @property
    def own_thresholds(self) -> tuple[Threshold, ...]: ...


def delivered(tests: Iterable[PolicyOfTest]) -> Policy:
    """The policy as it is delivered: every test and every threshold with its default.

    Raises:
        ValueError: two thresholds have one name.
    """
    tests = list(tests)
    fields: dict[str, Any] = {}
    annotated: Any = Annotated  # by name, since its arguments are no types that a checker could know
    for threshold in (threshold for test in tests for threshold in test.own_thresholds):
        if threshold.name in fields or threshold.name in Thresholds.model_fields:
            raise ValueError(f"there are two thresholds {threshold.name}; call the one of the test otherwise")
        fields[threshold.name] = (
            annotated[threshold.type, threshold.weaker],
            Field(threshold.default, description=threshold.meaning),
        )
    thresholds = create_model("Thresholds", __base__=Thresholds, **fields)
    model = create_model("Policy", __base__=Policy, thresholds=(thresholds, ...))
    switches = {test.test_id: TestPolicy(enabled=test.enabled, severity=test.severity) for test in tests}
    return model(tests=switches, thresholds=thresholds())


# ------------------------------------------------------------------ changes


def merged(base: Policy, changes: Mapping[str, Any], source: str) -> Policy:
    """``changes`` over ``base``, key by key; a key that is present but empty changes nothing.

    Args:
        source: whose changes these are, as an error should call it.

    Raises:
        PolicyInvalid: a key or value is not known; names source and key.
    """
    if "numbers" in changes:
        raise PolicyInvalid(f"{source}: numbers: the key is called thresholds; rename it")
    for section in ("tests", "thresholds", "evidence"):
        if not isinstance(changes.get(section) or {}, dict):
            raise PolicyInvalid(f"{source}: {section}: must be a mapping; {SEE_ALL}")
    unknown = sorted(str(name) for name in (changes.get("tests") or {}) if name not in base.tests)
    if unknown:
        raise PolicyInvalid(f"{source}: unknown test tests.{unknown[0]}; the tests are {', '.join(sorted(base.tests))}")
    try:
        return _validated(base, changes)
    except ValidationError as invalid:
        key, reason = next(_told(invalid))
        raise PolicyInvalid(f"{source}: {key}: {reason}; {SEE_ALL}") from invalid


def unusable(base: Policy, changes: Mapping[str, Any]) -> dict[str, str]:
    """What of ``changes`` can't be used, each key with the reason; see ``merged``."""
    try:
        _validated(base, changes)
    except ValidationError as invalid:
        return dict(_told(invalid))
    return {}


def _validated(base: Policy, changes: Mapping[str, Any]) -> Policy:
    return type(base).model_validate(_over(base.model_dump(mode="json"), changes))


def _told(invalid: ValidationError) -> Iterator[tuple[str, str]]:
    for error in invalid.errors():
        reason = "unknown key" if error["type"] == "extra_forbidden" else error["msg"].removeprefix("Value error, ")
        yield ".".join(str(part) for part in error["loc"]), reason


def weakened(old: Policy, new: Policy) -> dict[str, tuple[Any, Any]]:
    """The keys by which ``new`` asks for less than ``old``, each with what was and what would be."""
    found: dict[str, tuple[Any, Any]] = {}
    for test_id, before in old.tests.items():
        after = new.tests[test_id]
        if before.enabled and not after.enabled:
            found[f"tests.{test_id}.enabled"] = (before.enabled, after.enabled)
        if SEVERITIES.index(after.severity) > SEVERITIES.index(before.severity):
            found[f"tests.{test_id}.severity"] = (before.severity, after.severity)
    for name, field in type(old.thresholds).model_fields.items():
        declared = next((mark for mark in field.metadata if isinstance(mark, Weaker)), Weaker.WHEN_CHANGED)
        was, would_be = old.thresholds[name], new.thresholds[name]
        if declared.is_weaker(would_be, was):
            found[f"thresholds.{name}"] = (was, would_be)
    return found


def contradictions(policy: Policy) -> list[str]:
    """Pairs of thresholds that are fine each by itself and together keep a rule from ever deciding, in plain words."""
    given = policy.thresholds
    found = []
    if given.behaviour_min_sample > given.behaviour_sample:
        found.append(
            f"thresholds.behaviour_min_sample ({given.behaviour_min_sample}) is larger than "
            f"thresholds.behaviour_sample ({given.behaviour_sample}): behaviour could never show that status checks "
            "are required; raise the one or lower the other"
        )
    if given.reread_hours > given.max_data_age_hours:
        found.append(
            f"thresholds.reread_hours ({given.reread_hours:g}) is larger than thresholds.max_data_age_hours "
            f"({given.max_data_age_hours:g}): an untouched repository would be too old to pass before it is read "
            "again; lower the one or raise the other"
        )
    return found


def read_changes(path: Path) -> dict[str, Any]:
    """What a YAML file changes in the policy; nothing where it is empty.

    Raises:
        PolicyInvalid: the file can't be read, or is no YAML mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as unreadable:
        reason = getattr(unreadable, "strerror", None) or "not UTF-8 text"
        raise PolicyInvalid(
            f"{path}: the policy file can't be read ({reason}); check {OVERRIDE_VARIABLE}"
        ) from unreadable
    return parsed_changes(text, str(path))


def parsed_changes(text: str, source: str) -> dict[str, Any]:
    """What YAML changes in the policy; nothing where it is empty.

    Args:
        source: whose changes these are, as an error should call it.

    Raises:
        PolicyInvalid: it is no YAML mapping, or nested or repeated in ways that no policy needs and that cost a reader
            much more than its size.
    """
    try:
        _check_size(text, source)
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as broken:
        mark = getattr(broken, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise PolicyInvalid(f"{source}: the policy file is no valid YAML{where}") from broken
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise PolicyInvalid(
            f"{source}: the policy file must hold a mapping with the keys tests, thresholds and evidence"
        )
    return content


def _check_size(text: str, source: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise PolicyInvalid(f"{source}: the policy file repeats parts of itself (*name); write them out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise PolicyInvalid(f"{source}: the policy file is nested too deeply; {SEE_ALL}")


def _over(base: Any, changes: Any) -> Any:
    """``changes`` over ``base``; a key that is present but empty keeps what was there."""
    if changes is None:
        return base
    if isinstance(base, dict) and isinstance(changes, dict):
        keys = [*base, *(key for key in changes if key not in base)]
        return {key: _over(base.get(key), changes[key]) if key in changes else base[key] for key in keys}
    return changes
