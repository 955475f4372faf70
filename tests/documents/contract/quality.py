"""Rules of quality that the contract states beside "never null": accepted values, unique keys, sums that recount."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

from bitbucket_compliance.policy.model import Severity
from bitbucket_compliance.security_tests.model import Basis, Status, SubjectType
from tests.documents.contract.catalogue import Column, Relation

STATUSES: Final = get_args(Status)
#: Accepted values of a column, by its name alone or behind that of its relation.
ACCEPTED: Final[Mapping[str, tuple[str, ...]]] = {
    "severity": get_args(Severity),
    "subject_type": get_args(SubjectType),
    "basis": get_args(Basis),
    "found_basis": get_args(Basis),
    "ended_basis": get_args(Basis),
    "ended_because": ("fixed", "not_applicable", "removed"),
    "status": STATUSES,
    "test_summary.status": (*STATUSES, "not_run"),
    "undecided.status": ("pending", "error"),
    "runs.status": ("running", "published", "gate_failed", "failed", "superseded"),
    "runs.kind": ("polling", "events"),
    "evidence.status": ("submitted", "accepted", "rejected", "withdrawn", "expired"),
    "exceptions.status": ("requested", "accepted", "rejected", "withdrawn", "expired", "reopened"),
    "exception_endings.cause": ("expired", "facts_changed", "finding_ended", "withdrawn"),
    "result_overview.due": ("risk accepted", "past due", "not due yet"),
    "test_controls.strength": ("primary", "supporting"),
    "classification": ("production", "non_production"),
    "sensitivity": ("public", "internal", "confidential", "restricted"),
    "visibility": ("public", "private"),
    "matched_by": ("account_id", "email", "name"),
    "decision": ("keep", "revoke"),
    "offboarding_status": STATUSES,
    "two_step_verification": STATUSES,
    "hr_status": ("active", "on_leave", "terminated"),
}
_COUNTED: Final = "summed.passing + summed.failing + summed.pending + summed.error + summed.not_applicable"
_HELD: Final = "SELECT workspace, test_id, count(*) AS held FROM compliance.current_results GROUP BY workspace, test_id"
#: By relation: what is wrong with a row that the statement counts.
RULES: Final[Mapping[str, Mapping[str, str]]] = {
    "current_results": {
        "What passes or fails says what it rests on.": "SELECT count(*) FROM compliance.current_results"
        " WHERE status IN ('passing', 'failing') AND basis IS NULL",
        "Only what has an open finding has a deadline.": "SELECT count(*) FROM compliance.current_results"
        " WHERE (failing_since IS NULL) <> (due_at IS NULL)",
    },
    "findings": {
        "A finding has one end with one cause, after it was found.": "SELECT count(*) FROM compliance.findings"
        " WHERE (ended_at IS NULL) <> (ended_because IS NULL) OR ended_at <= found_at OR due_at < found_at",
    },
    "result_history": {
        "What is open in history is what current_results shows.": "SELECT count(*) FROM"
        " (SELECT workspace, test_id, subject_id, status FROM compliance.result_history WHERE valid_to IS NULL"
        " AND reason_code NOT IN ('removed_or_invisible', 'test_disabled')) AS held"
        " FULL JOIN compliance.current_results AS shown USING (workspace, test_id, subject_id)"
        " WHERE held.status IS DISTINCT FROM shown.status",
    },
    "test_summary": {
        "Each sum recounts from current_results.": "SELECT count(*) FROM compliance.test_summary AS summed"  # noqa: S608
        f" LEFT JOIN ({_HELD}) AS results USING (workspace, test_id)"
        f" WHERE {_COUNTED} <> coalesce(results.held, 0)",
        "No share lies outside of 0 to 100.": "SELECT count(*) FROM compliance.test_summary"
        " WHERE NOT coalesce(score BETWEEN 0 AND 100 AND effective_share BETWEEN 0 AND 100, true)",
    },
    "daily_trend": {
        "Today recounts from current_results.": "SELECT count(*) FROM"  # noqa: S608
        " (SELECT workspace, test_id, sum(passing) AS passing, sum(failing) AS failing, sum(pending) AS pending,"
        " sum(error) AS error, sum(not_applicable) AS not_applicable FROM compliance.daily_trend"
        " WHERE day = (now() AT TIME ZONE 'UTC')::date GROUP BY workspace, test_id) AS summed"
        f" FULL JOIN ({_HELD}) AS results USING (workspace, test_id)"
        f" WHERE {_COUNTED} IS DISTINCT FROM results.held",
        "A day without a whole run shows nothing as effective.": "SELECT count(*) FROM compliance.daily_trend"
        " WHERE (effective IS NULL) = observed OR effective > passing",
    },
    "access_review": {
        "Who is on the roster for certain is matched by account id or address.": "SELECT count(*)"
        " FROM compliance.access_review WHERE hr_status IS NOT NULL AND matched_by NOT IN ('account_id', 'email')",
    },
    "workspace_score": {
        "The score recounts from result_overview.": "SELECT count(*) FROM compliance.workspace_score AS summed"
        " LEFT JOIN (SELECT workspace,"
        " compliance.score(sum(weighted_passing), sum(weighted_decided - weighted_passing)) AS score"
        " FROM compliance.result_overview GROUP BY workspace) AS results USING (workspace)"
        " WHERE summed.score IS DISTINCT FROM results.score",
    },
}


def of_relation(relation: Relation) -> list[dict[str, Any]]:
    """Its key is unique, and its rules find no row, as ODCS says it."""
    return [*_unique(relation), *(_none_found(words, query) for words, query in RULES.get(relation.name, {}).items())]


def of_column(relation: str, column: Column) -> list[dict[str, Any]]:
    """The values that it may have, where they are few; a null is none of them, and no error where it may be null."""
    values = ACCEPTED.get(f"{relation}.{column.name}", ACCEPTED.get(column.name))
    if not values or column.type != "text":
        return []
    words = f"{column.name} is one of {', '.join(values)}."
    return [_library("invalidValues", {"validValues": list(values)}, words)]


def _unique(relation: Relation) -> Iterator[dict[str, Any]]:
    key = [column.name for column in sorted(relation.columns, key=lambda one: one.key) if column.key]
    if key:
        yield _library("duplicateValues", {"properties": key}, f"One row for each ({', '.join(key)}).")


def _library(metric: str, arguments: dict[str, Any], words: str) -> dict[str, Any]:
    return {"type": "library", "metric": metric, "description": words, "arguments": arguments, "mustBe": 0}


def _none_found(words: str, query: str) -> dict[str, Any]:
    return {"type": "sql", "description": words, "query": query, "mustBe": 0}
