"""Keys of the published views: a table's stands in the database, a view's only here."""

from collections.abc import Mapping

RESULT = ("workspace", "test_id", "subject_id")

#: Columns that name one row of each view.
VIEW_KEYS: Mapping[str, tuple[str, ...]] = {
    "access_review_history": ("entry_id",),
    "classification_history": ("entry_id",),
    "evidence_history": ("entry_id",),
    "exception_history": ("entry_id",),
    "policy_history": ("entry_id",),
    "access_review": ("workspace", "member_id"),
    "alerts": ("alert", "workspace", "subject"),
    "control_status": ("workspace", "framework", "control"),
    "current_results": RESULT,
    "decided_by": ("workspace", "test_id"),
    "daily_trend": ("day", "workspace", "test_id", "severity"),
    "evidence": ("evidence_id",),
    "exception_subjects": ("exception_id", "subject_id"),
    "exceptions": ("exception_id",),
    "expiring": ("kind", "id", "workspace"),
    "findings": ("finding_id",),
    "joiners": ("workspace", "member_id", "first_seen_at"),
    "leavers": ("leaver_id",),
    "members_to_review": ("workspace", "member_id"),
    "open_findings": RESULT,
    "operations": ("workspace",),
    "policies": ("policy_version",),
    "record_links": ("workspace", "link"),
    "result_overview": RESULT,
    "run_steps": ("run_id", "step"),
    "runs": ("run_id",),
    "severity_weights": ("severity",),
    "stale_periods": (*RESULT, "stale_from"),
    "test_summary": ("workspace", "test_id"),
    "undecided": ("workspace", "test_id", "status", "reason_code"),
    "workspace_score": ("workspace",),
    "workspace_tests": ("workspace", "test_id"),
}
