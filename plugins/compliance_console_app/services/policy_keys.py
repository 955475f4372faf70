"""Every key of the policy as a person reads and changes it: what it means, what it may be, who set it when and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from bitbucket_compliance.policy.model import SEVERITIES, Policy, unusable
from bitbucket_compliance.policy.overrides import Override, flat, flat_changes
from bitbucket_compliance.security_tests import CATALOGUE
from bitbucket_compliance.security_tests.policies import DELIVERED, keys

SHARED = "All tests, and the pipeline"
SWITCHES = {"true": "on", "false": "off"}


@dataclass(frozen=True)
class PolicyKey:
    """A key of the policy.

    Attributes:
        name: as ``thresholds.min_approvals``. meaning: a sentence. group: title of the test that it belongs to.
        kind: ``choice``, ``integer``, ``number``, ``list`` or ``text``.
        bounds: what it may be, in plain words.
        choices: labels by the value of a field, where it is a choice.
        may_be_empty: whether nothing is a value, which is no limit.
        for_all: whether it holds for all workspaces, so that none sets it.
    """

    name: str
    default: Any
    meaning: str
    group: str
    kind: str
    bounds: str
    choices: Mapping[str, str]
    may_be_empty: bool = False
    for_all: bool = False

    @property
    def label(self) -> str:
        """Its name without the section, in words."""
        section, _, rest = self.name.partition(".")
        last = rest.rpartition(".")[2] if section == "tests" else rest
        return {"enabled": "Switched on", "severity": "Severity"}.get(last) or last.replace("_", " ").capitalize()

    def typed(self, value: Any) -> str:
        """A value as the field of a form holds it."""
        if isinstance(value, list):
            return "\n".join(map(str, value))
        if isinstance(value, bool):
            return str(value).lower()
        return "" if value is None else f"{value:.12g}" if isinstance(value, float) else str(value)

    def read(self, text: str) -> Any:
        """What a field says, for the policy to look at; None: nothing."""
        if self.kind == "list":
            return [line.strip() for line in text.splitlines() if line.strip()]
        return text.strip() or None

    def shown(self, value: Any) -> str:
        """A value for people."""
        if isinstance(value, list):
            return ", ".join(map(str, value)) or "none"
        if isinstance(value, bool):
            return SWITCHES[self.typed(value)]
        return self.typed(value) or "no limit"


@dataclass(frozen=True)
class Origin:
    """Since when a key has its value, by whom and why; without a moment: as delivered, or as the policy file says."""

    source: str
    since: Any = None
    set_by: str = ""
    accepted_by: str | None = None
    reason: str | None = None


@cache
def known() -> Mapping[str, PolicyKey]:
    """Every key by its name, in the order of the catalogue."""
    return {key.name: key for key in _known()}


def grouped() -> Mapping[str, list[PolicyKey]]:
    """The keys by their group, in the order of the catalogue."""
    groups: dict[str, list[PolicyKey]] = {}
    for key in known().values():
        groups.setdefault(key.group, []).append(key)
    return groups


def _known() -> Iterator[PolicyKey]:
    groups = {f"tests.{test.test_id}.": test.title for test in CATALOGUE}
    groups |= {f"thresholds.{own.name}": test.title for test in CATALOGUE for own in test.own_thresholds}
    schemas = type(DELIVERED.thresholds).model_json_schema()["properties"]
    for key in keys():
        section, _, rest = key.name.partition(".")
        kind, bounds, choices, may_be_empty = _kind(schemas[rest]) if section == "thresholds" else _choice(key.name)
        group = groups.get(key.name) or groups.get(key.name.rpartition(".")[0] + ".", SHARED)
        meaning = key.meaning.replace("`", "")
        yield PolicyKey(
            key.name, key.default, meaning, group, kind, bounds, choices, may_be_empty, section == "evidence"
        )


def _choice(name: str) -> tuple[str, str, Mapping[str, str], bool]:
    choices = SWITCHES if name.endswith(".enabled") else {value: value for value in SEVERITIES}
    return "choice", f"one of {', '.join(choices.values())}", choices, False


def _kind(schema: Mapping[str, Any]) -> tuple[str, str, Mapping[str, str], bool]:
    """Kind, bounds, choices and whether it may be empty, of what pydantic says of a threshold."""
    may_be_empty = "anyOf" in schema
    told = next((one for one in schema.get("anyOf", []) if one["type"] != "null"), schema)
    if told["type"] == "boolean":
        return "choice", "on or off", SWITCHES, False
    if "enum" in told:
        return "choice", f"one of {', '.join(told['enum'])}", {value: value for value in told["enum"]}, False
    if told["type"] == "array":
        least = ", at least one" if told.get("minItems") else ""
        return "list", f"one a line{least}", {}, False
    if told["type"] in ("integer", "number"):
        article = "a whole number" if told["type"] == "integer" else "a number"
        bounds = f"{article} from {told['minimum']:,} to {told['maximum']:,}"
        return told["type"], bounds + (", or empty for no limit" if may_be_empty else ""), {}, may_be_empty
    return "text", "text", {}, False


def origins(history: Sequence[Override], base: Policy) -> dict[str, Origin]:
    """Where the value of each key in force comes from.

    Args:
        history: every override of the workspace that ever held, the newest first.
        base: what holds where the workspace changes nothing.
    """
    bodies = [(one, flat_changes(one.body)) for one in history]
    of_file, delivered = flat(base), flat(DELIVERED)
    found = {}
    for name in of_file:
        beneath = "as delivered" if of_file[name] == delivered[name] else "policy file"
        found[name] = Origin(beneath)
        if not bodies:
            continue
        now = bodies[0][1].get(name)
        source = beneath if now is None else "this workspace"
        # The oldest of those that have said the same ever since.
        for place, (_, body) in enumerate(bodies):
            if body.get(name) != now:
                one = bodies[place - 1][0]
                found[name] = Origin(source, one.valid_from, one.set_by, one.accepted_by, one.reason)
                break
        else:
            if now is not None:
                one = bodies[-1][0]
                found[name] = Origin(source, one.valid_from, one.set_by, one.accepted_by, one.reason)
    return found


@dataclass(frozen=True)
class Typed:
    """What a form asks for: the changes of the workspace, or what is wrong, by key."""

    changes: Mapping[str, Any]
    problems: Mapping[str, str]


def changed(texts: Mapping[str, str], body: Any, in_force: Policy, base: Policy) -> Typed:
    """What a form with the field of every key asks for on top of what the workspace sets now.

    Args:
        texts: what was typed, by key; a key that is not there stays as it is.
        body: what the workspace sets now.
    """
    asked = {name: key.read(texts[name]) for name, key in known().items() if name in texts and not key.for_all}
    standing, beneath = flat(in_force), flat(base)
    problems = {name: told for name, told in ((name, _empty(name, asked[name], beneath)) for name in asked) if told}
    given = {name: value for name, value in asked.items() if value is not None}
    for key, reason in unusable(in_force, _nested(given)).items():
        name = next((name for name in given if key == name or key.startswith(f"{name}.")), key)
        problems.setdefault(name, _told(name, reason))
    if problems:
        return Typed({}, problems)
    would_be = flat(type(in_force).model_validate(_deep(in_force.model_dump(mode="json"), given)))
    kept = {name: value for name, value in flat_changes(body).items() if name in standing}
    for name in asked:
        value = beneath[name] if asked[name] is None else would_be[name]
        if value != standing[name]:
            kept.pop(name, None)
            if value != beneath[name]:
                kept[name] = value
    return Typed(_nested(kept), {})


def _empty(name: str, value: Any, beneath: Mapping[str, Any]) -> str:
    if value is not None or (known()[name].may_be_empty and beneath[name] is None):
        return ""
    if known()[name].may_be_empty:
        return f"can't be empty: the policy file sets {beneath[name]}; type {known()[name].bounds.split(',')[0]}"
    return f"is missing; type {known()[name].bounds}"


def _told(name: str, reason: str) -> str:
    key = known().get(name)
    if key is None:
        return reason
    return f"{reason}; {key.bounds}" if key.kind in ("list", "text") else f"can't be used; type {key.bounds}"


def _nested(given: Mapping[str, Any]) -> dict[str, Any]:
    """``{"thresholds": {"min_approvals": 2}}`` of ``{"thresholds.min_approvals": 2}``."""
    return _deep({}, given)


def _deep(content: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in given.items():
        *sections, last = name.split(".")
        place = content
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value
    return content
