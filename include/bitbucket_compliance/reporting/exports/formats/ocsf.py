"""OCSF: one Compliance Finding (class 2003) per line, valid by the schema of OCSF 1.5.0 with its profile ``datetime``.

``compliance.status_id`` follows OCSF's definitions: Pass and Fail for what is decided; Warning ("did not yield a result
due to missing information") for ``pending``; Unknown for ``error``, and for a passing verdict that may no longer be
relied on; Other for ``not_applicable``. The finding's ``status_id`` is about the work on it: New where it fails,
Suppressed where somebody accepted the risk, Unknown where it passed and may no longer be relied on, Other elsewhere.
``status_code`` and ``metadata.event_code`` are what importers of cloud findings look for: PASS, FAIL, STALE (it passed
and may no longer be relied on) or the status in capitals, and the id of the test. A failure that is stale remains a
failure, and so does one whose risk was accepted: ``comment`` says by whom, until when and why. ``unmapped`` holds the
published status and ``is_stale`` as they are. Every line restates
the whole finding under the same ``finding_info.uid`` (activity Create), so a reader keeps the newest one of each uid.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import IO, Any, Final

from bitbucket_compliance.reporting.exports.model import (
    GENERATOR,
    GENERATOR_VERSION,
    Counts,
    PublishedTest,
    Snapshot,
    Verdict,
    optional_timestamp,
    timestamp,
)

OCSF_VERSION: Final = "1.5.0"
PROFILES: Final = ("datetime",)
_FINDINGS, _COMPLIANCE_FINDING, _CREATE = 2, 2003, 1
#: compliance.status_id with its caption, by status
_STATUSES: Final[Mapping[str, tuple[int, str]]] = {
    "passing": (1, "Pass"),
    "failing": (3, "Fail"),
    "pending": (2, "Warning"),
    "error": (0, "Unknown"),
    "not_applicable": (99, "Other"),
}
_CODES: Final[Mapping[str, str]] = {"passing": "PASS", "failing": "FAIL"}
_STALE: Final = "STALE"
#: severity_id with its caption, by severity
_SEVERITIES: Final[Mapping[str, tuple[int, str]]] = {
    "critical": (5, "Critical"),
    "high": (4, "High"),
    "medium": (3, "Medium"),
}
_RULE = 1  # analytic.type_id
_PRODUCT: Final = {"name": GENERATOR, "vendor_name": GENERATOR, "version": GENERATOR_VERSION}


def write(file: IO[bytes], snapshot: Snapshot, verdicts: Iterable[Verdict]) -> None:
    """See ``Format``."""
    for verdict in verdicts:
        file.write(line(snapshot, verdict) + b"\n")


def count(file: IO[bytes]) -> Counts:
    """See ``Format``."""
    found = Counts()
    for text in file:
        found[counted(text)] += 1
    return found


def line(snapshot: Snapshot, verdict: Verdict) -> bytes:
    """One finding as JSON without an end of line."""
    finding = _without_nulls(_finding(snapshot, verdict))
    return json.dumps(finding, ensure_ascii=False, separators=(",", ":")).encode()


def counted(text: bytes) -> tuple[str, str]:
    """Test and status of a written finding."""
    finding = json.loads(text)
    return finding["metadata"]["event_code"], finding["unmapped"]["status"]


def status_of(verdict: Verdict) -> tuple[int, str]:
    """The verdict's status in OCSF with its caption; a passing one that is stale is not known to pass."""
    return _STATUSES["error"] if _passed_once(verdict) else _STATUSES[verdict.status]


def _passed_once(verdict: Verdict) -> bool:
    """Whether it passed, and may no longer be relied on."""
    return verdict.status == "passing" and verdict.is_stale


def _finding(snapshot: Snapshot, verdict: Verdict) -> dict[str, Any]:
    test = snapshot.tests[verdict.test_id]
    severity_id, severity = _SEVERITIES.get(verdict.severity, (99, "Other"))
    seen_at = _last_seen(snapshot, verdict)
    return {
        "activity_id": _CREATE,
        "activity_name": "Create",
        "category_name": "Findings",
        "category_uid": _FINDINGS,
        "class_name": "Compliance Finding",
        "class_uid": _COMPLIANCE_FINDING,
        "type_uid": _COMPLIANCE_FINDING * 100 + _CREATE,
        "type_name": "Compliance Finding: Create",
        "severity_id": severity_id,
        "severity": severity,
        "time": _milliseconds(seen_at),
        "time_dt": timestamp(seen_at),
        "timezone_offset": 0,
        "message": verdict.reason,
        "comment": verdict.accepted_risk,
        "status_code": _STALE if _passed_once(verdict) else _CODES.get(verdict.status, verdict.status.upper()),
        "status_detail": verdict.reason,
        **_work(verdict),
        "metadata": {
            "version": OCSF_VERSION,
            "profiles": list(PROFILES),
            "uid": snapshot.uuid("ocsf", verdict.test_id, verdict.subject_id, timestamp(snapshot.as_of)),
            "correlation_uid": snapshot.run_id,
            "tenant_uid": verdict.workspace,
            "event_code": verdict.test_id,
            "product": _PRODUCT,
        },
        "compliance": _compliance(test, verdict, severity_id),
        "finding_info": _info(snapshot, test, verdict),
        "remediation": {"desc": verdict.remediation} if verdict.remediation else None,
        "resources": [
            {
                "uid": verdict.subject_id,
                "name": verdict.subject_name,
                "type": f"Bitbucket {verdict.subject_type}",
                "namespace": verdict.workspace,
            }
        ],
        "unmapped": _unmapped(snapshot, test, verdict),
    }


def _last_seen(snapshot: Snapshot, verdict: Verdict) -> datetime:
    """When the verdict was confirmed last: by its run, or by the last run before an earlier instant."""
    return max(verdict.first_seen_at, verdict.status_since, verdict.evaluated_at or snapshot.last_run_at)


def _work(verdict: Verdict) -> dict[str, Any]:
    if _passed_once(verdict):
        return {"status_id": 0, "status": "Unknown"}
    if verdict.status != "failing":
        return {"status_id": 99, "status": "Other"}
    if verdict.exception_id:
        return {"status_id": 3, "status": "Suppressed"}
    return {"status_id": 1, "status": "New"}


def _compliance(test: PublishedTest, verdict: Verdict, severity_id: int) -> dict[str, Any]:
    standards = list(dict.fromkeys(control.framework for control in test.controls))
    named = [f"{control.framework} {control.control}" for control in test.controls]
    primary = [name for name, control in zip(named, test.controls, strict=True) if control.strength == "primary"]
    status_id, status = status_of(verdict)
    return {
        "standards": standards or None,
        "requirements": named or None,
        "control": next(iter(primary or named), None),
        "desc": test.description,
        "status_id": status_id,
        "status": status,
        "checks": [
            {
                "uid": test.test_id,
                "name": test.title,
                "desc": test.description,
                "version": verdict.policy_version,
                "severity": verdict.severity,
                "severity_id": severity_id,
                "standards": standards or None,
                "status": status,
                "status_id": status_id,
            }
        ],
    }


def _info(snapshot: Snapshot, test: PublishedTest, verdict: Verdict) -> dict[str, Any]:
    times = {
        "created_time": verdict.failing_since or verdict.status_since,
        "modified_time": verdict.status_since,
        "first_seen_time": verdict.first_seen_at,
        "last_seen_time": _last_seen(snapshot, verdict),
    }
    return {
        "uid": f"{GENERATOR}:{verdict.workspace}:{verdict.test_id}:{verdict.subject_id}",
        "title": test.title,
        "desc": verdict.reason,
        "types": ["compliance"],
        "data_sources": ["Bitbucket Cloud"] if verdict.basis in ("configuration", "behaviour") else None,
        "analytic": {"uid": test.test_id, "name": test.title, "type_id": _RULE, "type": "Rule"},
        **{name: _milliseconds(moment) for name, moment in times.items()},
        **{f"{name}_dt": timestamp(moment) for name, moment in times.items()},
    }


def _unmapped(snapshot: Snapshot, test: PublishedTest, verdict: Verdict) -> dict[str, Any]:
    frameworks: dict[str, list[str]] = {}
    for control in test.controls:
        frameworks.setdefault(control.framework, []).append(control.control)
    return {
        # as importers of Prowler's findings expect it
        "compliance": frameworks,
        "as_of": timestamp(snapshot.as_of),
        "as_of_run": snapshot.run_id,
        "status": verdict.status,
        "basis": verdict.basis,
        "reason_code": verdict.reason_code,
        "facts_hash": verdict.facts_hash,
        "exception_id": verdict.exception_id,
        "exception_owner": verdict.exception_owner,
        "exception_approver": verdict.exception_approver,
        "exception_reason": verdict.exception_reason,
        "exception_expires_at": optional_timestamp(verdict.exception_expires_at),
        "exception_self_accepted": verdict.exception_self_accepted,
        "evidence_id": verdict.evidence_id,
        "evidence_self_accepted": verdict.evidence_self_accepted,
        "bypassable": verdict.bypassable,
        "bypassed": verdict.bypassed,
        "policy_version": verdict.policy_version,
        "run_id": verdict.run_id,
        "failing_since": optional_timestamp(verdict.failing_since),
        "due_at": optional_timestamp(verdict.due_at),
        "fresh_until": optional_timestamp(verdict.fresh_until),
        "is_stale": verdict.is_stale,
        "detail": verdict.detail,
    }


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _without_nulls(value: Any) -> Any:
    """OCSF leaves out what is not known; what the verdict's own detail says of nulls stays."""
    if isinstance(value, dict):
        return {
            name: inner if name == "unmapped" else _without_nulls(inner)
            for name, inner in value.items()
            if inner is not None
        }
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value
