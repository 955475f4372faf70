-- Purpose: every verdict on one subject, those on the whole workspace after them; a test without one tells whether
-- it is switched off.

SELECT
    tests.test_id,
    tests.test_title,
    tests.subject_type,
    coalesce(policy.severity, tests.severity) AS severity,
    coalesce(policy.enabled, tests.enabled) AS enabled,
    results.subject_id,
    results.status,
    results.basis,
    results.reason_code,
    results.reason,
    coalesce(results.remediation, codes.remediation) AS remedy,
    results.detail,
    results.status_since,
    results.failing_since,
    results.due_at,
    results.failing_since IS NOT null AND results.due_at < now() AND results.exception_id IS null AS is_overdue,
    results.exception_id,
    results.evidence_id,
    results.bypassed,
    results.bypassable,
    results.data_as_of,
    results.fresh_until,
    results.is_stale,
    results.evaluated_at,
    results.run_id,
    results.policy_version
FROM compliance.tests AS tests
LEFT JOIN compliance.workspace_tests AS policy
    ON tests.test_id = policy.test_id AND policy.workspace = %(workspace)s
LEFT JOIN compliance.current_results AS results
    ON
        tests.test_id = results.test_id
        AND results.workspace = %(workspace)s
        AND (results.subject_id = %(subject_id)s OR tests.subject_type = 'workspace')
LEFT JOIN compliance.reason_codes AS codes
    ON results.test_id = codes.test_id AND results.reason_code = codes.reason_code
WHERE tests.subject_type IN (%(subject_type)s, 'workspace')
ORDER BY (tests.subject_type = 'workspace') ASC, tests.display_order ASC;
