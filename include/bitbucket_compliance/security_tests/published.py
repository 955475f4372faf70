"""The catalogue as it is published: three tables that all workspaces share, which an upgrade writes and no run does."""

from dataclasses import asdict
from typing import Any

from bitbucket_compliance.core.database import Connection, as_json, run_sql
from bitbucket_compliance.core.errors import SchemaMissing
from bitbucket_compliance.security_tests import CATALOGUE
from bitbucket_compliance.security_tests.model import SecurityTest


def require_catalogue(connection: Connection) -> None:
    """Stop where the database lacks a test or a reason of this version.

    Raises:
        SchemaMissing: names the first one, and what to do.
    """
    codes = [(test.test_id, code) for test in CATALOGUE for code in test.every_reason]
    tests, reasons = zip(*codes, strict=True)
    keys = {"test_ids": list(tests), "reason_codes": list(reasons)}
    missing = run_sql(connection, "security_tests/missing_from_catalogue.sql", keys).fetchone()
    if missing is not None:
        raise SchemaMissing(
            f"compliance_postgres: the catalogue lacks the reason {missing['reason_code']} of the security test "
            f"{missing['test_id']}, so it is that of another version; run `make upgrade` (on a server: python -m "
            "bitbucket_compliance upgrade)"
        )


def catalogue_rows() -> dict[str, str]:
    """By table the rows of the catalogue: the tests, their controls and reason codes, as JSON."""
    tests = [
        {
            "test_id": test.test_id,
            "test_title": test.title,
            "severity": test.severity,
            "subject_type": test.subject_type,
            "manual": test.manual,
            "enabled": test.enabled,
            "bases": _bases(test),
            "cannot_see": test.cannot_see,
            "display_order": test.order,
            "description": test.description,
        }
        for test in CATALOGUE
    ]
    controls = [
        {
            "test_id": test.test_id,
            "framework": control.framework.name,
            "control": control.control,
            "strength": control.strength,
            "source": control.framework.source,
            "note": control.note,
            "title": control.title,
        }
        for test in CATALOGUE
        for control in test.controls
    ]
    codes: list[dict[str, Any]] = [
        {
            "test_id": test.test_id,
            "reason_code": code,
            "status": reason.status,
            "meaning": reason.meaning,
            "remediation": reason.remediation,
            "api_calls": [asdict(call) for call in reason.api_calls],
        }
        for test in CATALOGUE
        for code, reason in test.every_reason.items()
    ]
    return {"tests": as_json(tests), "test_controls": as_json(controls), "reason_codes": as_json(codes)}


def _bases(test: SecurityTest) -> list[str]:
    """What verdicts of the test may rest on."""
    by_evidence = ["evidence"] if any(reason.basis == "evidence" for reason in test.reasons.values()) else []
    return list(dict.fromkeys([*test.bases, *by_evidence]))
