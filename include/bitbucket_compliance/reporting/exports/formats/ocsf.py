"""OCSF: one Compliance Finding (class 2003) per line, each validated by the model of ``py_ocsf_models``.

``compliance.status_id`` follows OCSF's definitions: Pass and Fail for what is decided; Warning ("did not yield a result
due to missing information") for ``pending``; Unknown for ``error``, and for a passing verdict that may no longer be
relied on; Other for ``not_applicable``. The finding's ``status_id`` is about the work on it: New where it fails,
Suppressed where somebody accepted the risk, Other elsewhere. Every line restates the whole finding under the same
``finding_info.uid`` (activity Create), so a reader keeps the newest one of each uid.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import IO, Any, Final

from py_ocsf_models.events.findings.activity_id import ActivityID
from py_ocsf_models.events.findings.category_uid import CategoryUID
from py_ocsf_models.events.findings.class_uid import ClassUID
from py_ocsf_models.events.findings.compliance_finding import ComplianceFinding
from py_ocsf_models.events.findings.compliance_finding_type_id import ComplianceFindingTypeID
from py_ocsf_models.events.findings.severity_id import SeverityID
from py_ocsf_models.events.findings.status_id import StatusID as WorkStatus
from py_ocsf_models.objects.compliance_status import StatusID

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

_STATUSES: Final[Mapping[str, StatusID]] = {
    "passing": StatusID.Pass,
    "failing": StatusID.Fail,
    "pending": StatusID.Warning,
    "error": StatusID.Unknown,
    "not_applicable": StatusID.Other,
}
_SEVERITIES: Final[Mapping[str, SeverityID]] = {
    "critical": SeverityID.Critical,
    "high": SeverityID.High,
    "medium": SeverityID.Medium,
}
_RULE = 1  # analytic.type_id
_PRODUCT: Final = {"name": GENERATOR, "vendor_name": GENERATOR, "version": GENERATOR_VERSION}


def write(file: IO[bytes], snapshot: Snapshot, verdicts: Iterable[Verdict]) -> None:
    """See ``Format``."""
    for verdict in verdicts:
        finding = ComplianceFinding.model_validate(_finding(snapshot, verdict))
        line = finding.model_dump(mode="json", exclude_none=True)
        file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")


def count(file: IO[bytes]) -> Counts:
    """See ``Format``."""
    found = Counts()
    for line in file:
        finding = ComplianceFinding.model_validate_json(line)
        for check in finding.compliance.checks or []:
            found[check.uid or "", check.status or ""] += 1
    return found


def status_id(verdict: Verdict) -> StatusID:
    """The verdict's status in OCSF; a passing one that is stale is not known to pass."""
    if verdict.status == "passing" and verdict.is_stale:
        return StatusID.Unknown
    return _STATUSES[verdict.status]


def _finding(snapshot: Snapshot, verdict: Verdict) -> dict[str, Any]:
    test = snapshot.tests[verdict.test_id]
    severity = _SEVERITIES.get(verdict.severity, SeverityID.Other)
    return {
        "activity_id": ActivityID.Create,
        "activity_name": "Create",
        "category_name": "Findings",
        "category_uid": CategoryUID.Findings,
        "class_name": "Compliance Finding",
        "class_uid": ClassUID.ComplianceFinding,
        "type_uid": ComplianceFindingTypeID.Create,
        "type_name": "Compliance Finding: Create",
        "severity_id": severity,
        "severity": verdict.severity.capitalize(),
        "time": _milliseconds(verdict.seen_at),
        "time_dt": verdict.seen_at,
        "timezone_offset": 0,
        "message": verdict.reason,
        "status_code": verdict.reason_code,
        "status_detail": verdict.reason,
        **_work(verdict),
        "metadata": {
            "uid": snapshot.uuid("ocsf", verdict.test_id, verdict.subject_id, timestamp(snapshot.as_of)),
            "correlation_uid": snapshot.run_id,
            "tenant_uid": verdict.workspace,
            "event_code": verdict.reason_code,
            "product": _PRODUCT,
        },
        "compliance": _compliance(test, verdict, severity),
        "finding_info": _info(test, verdict),
        "remediation": {"desc": verdict.remediation} if verdict.remediation else None,
        "resources": [
            {
                "uid": verdict.subject_id,
                "name": verdict.subject_name,
                "type": f"Bitbucket {verdict.subject_type}",
                "namespace": verdict.workspace,
            }
        ],
        "unmapped": _unmapped(snapshot, verdict),
    }


def _work(verdict: Verdict) -> dict[str, Any]:
    if verdict.status != "failing":
        return {"status_id": WorkStatus.Other, "status": verdict.status}
    if verdict.exception_id:
        return {"status_id": WorkStatus.Suppressed, "status": "Suppressed"}
    return {"status_id": WorkStatus.New, "status": "New"}


def _compliance(test: PublishedTest, verdict: Verdict, severity: SeverityID) -> dict[str, Any]:
    standards = list(dict.fromkeys(control.framework for control in test.controls))
    named = [f"{control.framework} {control.control}" for control in test.controls]
    primary = [name for name, control in zip(named, test.controls, strict=True) if control.strength == "primary"]
    return {
        "standards": standards or None,
        "requirements": named or None,
        "control": next(iter(primary or named), None),
        "desc": test.description,
        "status_id": status_id(verdict),
        "checks": [
            {
                "uid": test.test_id,
                "name": test.title,
                "desc": test.description,
                "version": verdict.policy_version,
                "severity": verdict.severity,
                "severity_id": severity,
                "standards": standards or None,
                "status": verdict.status,
                "status_id": status_id(verdict),
            }
        ],
    }


def _info(test: PublishedTest, verdict: Verdict) -> dict[str, Any]:
    times = {
        "created_time": verdict.failing_since or verdict.status_since,
        "modified_time": verdict.status_since,
        "first_seen_time": verdict.first_seen_at,
        "last_seen_time": verdict.seen_at,
    }
    return {
        "uid": f"{GENERATOR}:{verdict.workspace}:{verdict.test_id}:{verdict.subject_id}",
        "title": test.title,
        "desc": verdict.reason,
        "types": ["compliance"],
        "data_sources": ["Bitbucket Cloud"] if verdict.basis in ("configuration", "behaviour") else None,
        "analytic": {"uid": test.test_id, "name": test.title, "type_id": _RULE, "type": "Rule"},
        **{name: _milliseconds(moment) for name, moment in times.items()},
        **{f"{name}_dt": moment for name, moment in times.items()},
    }


def _unmapped(snapshot: Snapshot, verdict: Verdict) -> dict[str, Any]:
    return {
        "as_of": timestamp(snapshot.as_of),
        "as_of_run": snapshot.run_id,
        "status": verdict.status,
        "basis": verdict.basis,
        "reason_code": verdict.reason_code,
        "facts_hash": verdict.facts_hash,
        "exception_id": verdict.exception_id,
        "evidence_id": verdict.evidence_id,
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
