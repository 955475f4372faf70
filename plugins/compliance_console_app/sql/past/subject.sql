-- Purpose: the results on one subject that were published at a moment, and behind them those on its whole workspace.

WITH found AS (
    SELECT results.*
    FROM compliance.results_as_of(%(as_of)s::timestamptz) AS results
    WHERE results.workspace = %(workspace)s AND results.subject_id = %(subject_id)s
    UNION ALL
    SELECT results.*
    FROM compliance.results_as_of(%(as_of)s::timestamptz) AS results
    WHERE
        results.workspace = %(workspace)s
        AND results.test_id IN (
            SELECT tests.test_id FROM compliance.tests AS tests WHERE tests.subject_type = 'workspace'
        )
        AND results.subject_id <> %(subject_id)s
)

SELECT
    found.test_id,
    coalesce(tests.test_title, found.test_id) AS test_title,
    tests.display_order,
    found.subject_type,
    found.subject_id,
    coalesce(found.subject_name, found.subject_id) AS subject_name,
    found.severity,
    found.status,
    found.basis,
    found.reason,
    found.detail,
    found.bypassed,
    found.data_as_of,
    found.valid_from,
    found.failing_since,
    found.due_at,
    coalesce(found.due_at < %(as_of)s AND found.exception_id IS null, false) AS is_overdue,
    found.exception_id IS NOT null AS is_accepted,
    found.is_stale,
    found.run_id,
    found.policy_version
FROM found
LEFT JOIN compliance.tests AS tests ON found.test_id = tests.test_id
WHERE %(test_id)s::text = '' OR found.test_id = %(test_id)s
ORDER BY (found.subject_type = 'workspace') ASC, tests.display_order ASC, found.test_id ASC;
