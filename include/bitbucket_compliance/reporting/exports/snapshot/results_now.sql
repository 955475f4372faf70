-- Purpose: the current results of a workspace, in a fixed order.

SELECT
    results.workspace,
    results.test_id,
    results.test_title,
    results.severity,
    results.subject_type,
    results.subject_id,
    results.subject_name,
    results.status,
    results.basis,
    results.reason_code,
    results.reason,
    results.remediation,
    results.detail,
    results.first_seen_at,
    results.status_since,
    results.failing_since,
    results.due_at,
    results.exception_id::text AS exception_id,
    results.evidence_id::text AS evidence_id,
    results.bypassable,
    results.bypassed,
    results.data_as_of,
    results.fresh_until,
    results.is_stale,
    results.evaluated_at,
    results.run_id,
    results.policy_version,
    results.facts_hash,
    results.workspace_id
FROM compliance.current_results AS results
LEFT JOIN compliance.tests AS tests ON results.test_id = tests.test_id
WHERE results.workspace = %(workspace)s
ORDER BY tests.display_order, results.test_id, results.subject_id;
