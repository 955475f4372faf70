"""The parts of an OSCAL document as plain JSON values, named as OSCAL names them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from trestle.oscal import OSCAL_VERSION

from bitbucket_compliance.reporting.exports.model import (
    GENERATOR,
    GENERATOR_VERSION,
    Counts,
    PublishedTest,
    Snapshot,
    Verdict,
    one_line,
    optional_timestamp,
    stable_uuid,
    timestamp,
)

# An identifier, not an address: the namespace of the properties that are defined here and nowhere else.
NAMESPACE: Final = "https://bitbucket-compliance.invalid/ns/oscal"

_Json = dict[str, Any]
_METHODS: Final[Mapping[str | None, str]] = {
    "configuration": "TEST",
    "behaviour": "TEST",
    "evidence": "EXAMINE",
    "registry": "EXAMINE",
    None: "UNKNOWN",
}
_REFERENCES: Final[Mapping[str, str]] = {"repository": "inventory-item", "member": "user", "workspace": "component"}
_OSCAL_UUID: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[45][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE
)
_TOOL: Final = stable_uuid("tool", GENERATOR)
_STATUSES: Final = ("passing", "failing", "pending", "error", "not_applicable")


def property_of(item: _Json, name: str) -> str:
    """The value of one of our properties; empty where it has none of that name."""
    found = (prop["value"] for prop in item.get("props", ()) if prop["name"] == name and prop.get("ns") == NAMESPACE)
    return next(found, "")


def subject_uuid(verdict: Verdict) -> str:
    """Bitbucket's own uuid of the subject, or one made of it where OSCAL does not take its version."""
    bare = verdict.subject_id.strip("{}")
    return bare.lower() if _OSCAL_UUID.fullmatch(bare) else stable_uuid("subject", verdict.subject_id)


def document(snapshot: Snapshot) -> _Json:
    """The members before the results."""
    return {
        "uuid": snapshot.uuid("document", snapshot.asked_for, timestamp(snapshot.as_of)),
        "metadata": {
            "title": f"Security tests of the Bitbucket workspace {one_line(snapshot.workspace)}",
            "last-modified": timestamp(snapshot.as_of),
            "version": timestamp(snapshot.as_of),
            "oscal-version": OSCAL_VERSION,
            "props": _props({"generator": GENERATOR, "generator-version": GENERATOR_VERSION}),
        },
        "import-ap": {"href": f"#{_plan_uuid(snapshot)}"},
    }


def result(snapshot: Snapshot) -> _Json:
    """The members of the result that are no lists."""
    tests = _reported(snapshot)
    return {
        "uuid": snapshot.uuid("result", snapshot.asked_for, timestamp(snapshot.as_of)),
        "title": one_line(f"{snapshot.workspace}, {_as_of(snapshot)}"),
        "description": f"The verdicts of the security tests that were published for the Bitbucket workspace "
        f"{snapshot.workspace}, {_as_of(snapshot)}.",
        "start": timestamp(min(snapshot.last_run_at, snapshot.as_of)),
        "end": timestamp(snapshot.as_of),
        "props": _props(
            {
                "workspace": snapshot.workspace,
                "as-of": timestamp(snapshot.as_of),
                "run-id": snapshot.run_id,
                "policy-version": snapshot.policy_version,
                **{f"count-{status}": str(count) for status, count in snapshot.by_status.items()},
            }
        ),
        "reviewed-controls": {
            "control-selections": _selections(tests),
            "control-objective-selections": [
                {"include-objectives": [{"objective-id": test.test_id} for test in tests]}
            ],
        },
    }


def observation(snapshot: Snapshot, verdict: Verdict) -> _Json:
    """One verdict."""
    found = {
        "uuid": snapshot.uuid("observation", verdict.test_id, verdict.subject_id),
        "title": one_line(f"{verdict.test_title}: {verdict.subject_name}"),
        "description": verdict.reason,
        "props": _props(
            {
                "test-id": verdict.test_id,
                "status": verdict.status,
                "severity": verdict.severity,
                "basis": verdict.basis,
                "reason-code": verdict.reason_code,
                "subject-id": verdict.subject_id,
                "first-seen-at": timestamp(verdict.first_seen_at),
                "status-since": timestamp(verdict.status_since),
                "failing-since": optional_timestamp(verdict.failing_since),
                "due-at": optional_timestamp(verdict.due_at),
                "exception-id": verdict.exception_id,
                "evidence-id": verdict.evidence_id,
                "evidence-self-accepted": _yes(verdict.evidence_self_accepted),
                "stale": _yes(verdict.is_stale),
                "evaluated-at": optional_timestamp(verdict.evaluated_at),
                "run-id": verdict.run_id,
                "policy-version": verdict.policy_version,
                "facts-hash": verdict.facts_hash,
                # Letters outside ASCII escaped, so that making one line of it changes nothing.
                "detail": json.dumps(verdict.detail, sort_keys=True).replace("  ", " \\u0020"),
            }
        ),
        "methods": [_METHODS[verdict.basis]],
        "types": ["control-objective"],
        "origins": [{"actors": [{"type": "tool", "actor-uuid": _TOOL}]}],
        "subjects": [{"subject-uuid": subject_uuid(verdict), "type": _REFERENCES[verdict.subject_type]}],
        "collected": timestamp(verdict.seen_at),
    }
    if verdict.fresh_until:
        found["expires"] = timestamp(verdict.fresh_until)
    if verdict.remediation:
        found["remarks"] = verdict.remediation
    return found


def risks(snapshot: Snapshot, accepted: Mapping[str, tuple[Verdict, Sequence[str]]]) -> Iterator[_Json]:
    """One for each accepted exception.

    Args:
        accepted: by exception, a verdict that it covers, and the uuids of the observations of all of them.
    """
    for exception_id, (verdict, observed) in accepted.items():
        said = verdict.exception_reason or "No reason is kept."
        risk = {
            "uuid": snapshot.uuid("risk", exception_id),
            "title": one_line(f"Accepted risk: {verdict.test_title}"),
            "description": verdict.accepted_risk,
            "statement": said,
            "props": _props(
                {
                    "exception-id": exception_id,
                    "test-id": verdict.test_id,
                    "owner": verdict.exception_owner,
                    "approver": verdict.exception_approver,
                    "self-accepted": _yes(verdict.exception_self_accepted),
                }
            ),
            "status": "deviation-approved",
        }
        if verdict.exception_expires_at:
            risk["deadline"] = timestamp(verdict.exception_expires_at)
        yield risk | {"related-observations": [{"observation-uuid": one} for one in observed]}


def findings(
    snapshot: Snapshot,
    observed: Mapping[str, Sequence[str]],
    stale: Counts,
    accepted: Mapping[str, tuple[Verdict, Sequence[str]]],
) -> Iterator[_Json]:
    """One for each test that applies to somebody.

    Args:
        observed: by test, the uuids of its observations.
        stale: how many verdicts may no longer be relied on, by test and status.
        accepted: by exception, a verdict that it covers; an accepted risk leaves its test unsatisfied.
    """
    related: dict[str, list[str]] = {}
    for exception_id, (verdict, _) in accepted.items():
        related.setdefault(verdict.test_id, []).append(snapshot.uuid("risk", exception_id))
    for test in _reported(snapshot):
        counts = {status: snapshot.counts[test.test_id, status] for status in _STATUSES}
        if sum(counts.values()) == counts["not_applicable"]:
            continue
        status, said = _objective(counts, stale[test.test_id, "passing"])
        found = {
            "uuid": snapshot.uuid("finding", test.test_id),
            "title": one_line(test.title),
            "description": said,
            "props": _props({"test-id": test.test_id, **{f"count-{name}": str(n) for name, n in counts.items()}}),
            "origins": [{"actors": [{"type": "tool", "actor-uuid": _TOOL}]}],
            "target": {
                "type": "objective-id",
                "target-id": test.test_id,
                "description": test.description,
                "status": status,
            },
            "related-observations": [{"observation-uuid": one} for one in observed[test.test_id]],
        }
        if test.test_id in related:
            found["related-risks"] = [{"risk-uuid": one} for one in related[test.test_id]]
        yield found


def definitions(workspaces: Mapping[str, tuple[str, str]]) -> _Json:
    """The tool that made the observations, and the workspace where it is a subject."""
    found: _Json = {
        "assessment-assets": {
            "components": [
                _component(_TOOL, "software", GENERATOR, f"Version {GENERATOR_VERSION} of its exports.", {}),
            ],
            "assessment-platforms": [
                {
                    "uuid": stable_uuid("platform", GENERATOR),
                    "title": GENERATOR,
                    "uses-components": [{"component-uuid": _TOOL}],
                }
            ],
        }
    }
    if workspaces:
        found["components"] = [
            _component(key, "service", f"Bitbucket workspace {one_line(name)}", name, {"subject-id": subject_id})
            for key, (subject_id, name) in workspaces.items()
        ]
    return found


def inventory_items(repositories: Mapping[str, tuple[str, str]]) -> Iterator[_Json]:
    """The repositories, by uuid, with id and name."""
    for key, (subject_id, name) in repositories.items():
        yield {
            "uuid": key,
            "description": name,
            "props": _props({"subject-type": "repository", "subject-id": subject_id}),
        }


def users(members: Mapping[str, tuple[str, str]]) -> Iterator[_Json]:
    """The members, by uuid, with id and display name."""
    for key, (subject_id, name) in members.items():
        props = _props({"subject-type": "member", "subject-id": subject_id})
        yield {"uuid": key, "title": one_line(name), "description": name, "props": props}


def back_matter(snapshot: Snapshot) -> _Json:
    """The member after the results: the plan that import-ap names."""
    plan = {
        "uuid": _plan_uuid(snapshot),
        "title": f"Security tests under policy {one_line(snapshot.policy_version)}",
        "description": "The catalogue of the security tests and the policy they were judged by: no OSCAL assessment "
        "plan is kept. The views tests and test_controls of the published schema describe them.",
        "props": _props({"policy-version": snapshot.policy_version}),
    }
    return {"back-matter": {"resources": [plan]}}


def _objective(counts: Mapping[str, int], stale: int) -> tuple[_Json, str]:
    """Status of the objective, and what it means in a sentence."""
    applicable = sum(counts.values()) - counts["not_applicable"]
    undecided = counts["pending"] + counts["error"]
    if counts["failing"]:
        return {"state": "not-satisfied", "reason": "fail"}, f"{counts['failing']} of {applicable} subjects fail."
    if undecided or stale:
        said = (
            f"Nobody fails, but {undecided} of {applicable} subjects are not decided, {stale} on data that is too old."
        )
        return {"state": "not-satisfied", "reason": "other", "remarks": said}, said
    return {"state": "satisfied", "reason": "pass"}, f"All {applicable} subjects pass."


def _reported(snapshot: Snapshot) -> list[PublishedTest]:
    """The tests that have verdicts, in the catalogue's order."""
    having = {test_id for test_id, _ in snapshot.counts}
    return [test for test in snapshot.tests.values() if test.test_id in having]


def _selections(tests: Sequence[PublishedTest]) -> list[_Json]:
    """The controls that the tests give evidence for, a selection for each framework."""
    frameworks: dict[tuple[str, str], dict[str, list[str]]] = {}
    for test in tests:
        for control in test.controls:
            named = frameworks.setdefault((control.framework, control.source), {})
            named.setdefault(control.control, []).append(test.test_id)
    chosen = [
        {
            "description": f"{framework} ({source})",
            "include-controls": [{"control-id": _token(framework, control)} for control in named],
            "props": [
                *_props({"framework": framework}),
                *(prop for control, ids in named.items() for prop in _mapping(control, ids)),
            ],
        }
        for (framework, source), named in sorted(frameworks.items())
    ]
    # The schema wants a selection even where no test is mapped to a control.
    return chosen or [{"description": "No test is mapped to a control.", "include-controls": [{"control-id": "none"}]}]


def _mapping(control: str, test_ids: Sequence[str]) -> Iterator[_Json]:
    for test_id in test_ids:
        yield {"name": "mapped-test", "ns": NAMESPACE, "value": test_id, "remarks": control}


def _token(framework: str, control: str) -> str:
    """An id as OSCAL wants them: a letter first, then letters, digits, dots, hyphens and underscores."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", f"{framework}_{control}")


def _component(key: str, kind: str, title: str, description: str, props: Mapping[str, str]) -> _Json:
    found: _Json = {
        "uuid": key,
        "type": kind,
        "title": one_line(title),
        "description": description,
        "status": {"state": "operational"},
    }
    return {**found, "props": _props(props)} if props else found


def _props(values: Mapping[str, str | None]) -> list[_Json]:
    return [
        {"name": name, "ns": NAMESPACE, "value": one_line(value)} for name, value in values.items() if value is not None
    ]


def _plan_uuid(snapshot: Snapshot) -> str:
    return snapshot.uuid("plan", snapshot.policy_version)


def _yes(told: bool | None) -> str | None:
    """A property that is there where it is true."""
    return "true" if told else None


def _as_of(snapshot: Snapshot) -> str:
    moment = f"{snapshot.as_of:%Y-%m-%d %H:%M:%S} UTC"
    return f"as run {snapshot.run_id} published them ({moment})" if snapshot.asked_for == "run" else f"as of {moment}"
