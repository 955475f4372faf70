-- Purpose: the current results of a workspace with the risks that were accepted, in a fixed order.

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
    results.workspace_id,
    accepted.owner AS exception_owner,
    accepted.approver AS exception_approver,
    accepted.reason AS exception_reason,
    accepted.expires_at AS exception_expires_at,
    accepted.self_accepted AS exception_self_accepted,
    shown.self_accepted AS evidence_self_accepted
FROM compliance.current_results AS results
LEFT JOIN compliance.tests AS tests ON results.test_id = tests.test_id
LEFT JOIN compliance.exceptions AS accepted ON results.exception_id = accepted.exception_id
LEFT JOIN compliance.evidence AS shown ON results.evidence_id = shown.evidence_id
WHERE results.workspace = %(workspace)s
ORDER BY tests.display_order, results.test_id, results.subject_id;
