-- Purpose: one page of the results that were published at a moment: of a test, of a subject, or what was failing.

WITH found AS (
    SELECT
        results.test_id,
        coalesce(tests.test_title, results.test_id) AS test_title,
        tests.display_order,
        results.subject_type,
        results.subject_id,
        coalesce(results.subject_name, results.subject_id) AS subject_name,
        results.severity,
        results.status,
        results.basis,
        results.reason,
        results.detail,
        results.bypassed,
        results.data_as_of,
        results.valid_from,
        results.failing_since,
        results.due_at,
        coalesce(results.due_at < %(as_of)s AND results.exception_id IS null, false) AS is_overdue,
        results.exception_id IS NOT null AS is_accepted,
        results.is_stale,
        results.run_id,
        results.policy_version
    FROM compliance.results_as_of(%(as_of)s::timestamptz) AS results
    LEFT JOIN compliance.tests AS tests ON results.test_id = tests.test_id
    WHERE
        results.workspace = %(workspace)s
        AND (%(test_id)s::text = '' OR results.test_id = %(test_id)s)
        AND (%(subject_id)s::text = '' OR results.subject_id = %(subject_id)s OR results.subject_type = 'workspace')
        AND (%(status)s::text = '' OR results.status = %(status)s)
        AND (%(severity)s::text = '' OR results.severity = %(severity)s)
        AND (
            %(words)s::text = ''
            OR strpos(lower(results.subject_name), lower(%(words)s)) > 0
            OR strpos(lower(results.reason), lower(%(words)s)) > 0
        )
)

SELECT
    found.*,
    count(*) OVER () AS total
FROM found
ORDER BY
    (%(subject_id)s::text <> '' AND found.subject_type = 'workspace') ASC,
    CASE WHEN %(subject_id)s::text <> '' THEN found.display_order END ASC,
    array_position(ARRAY['failing', 'error', 'pending', 'passing', 'not_applicable'], found.status) ASC,
    found.due_at ASC NULLS LAST,
    found.subject_name ASC,
    found.subject_id ASC,
    found.test_id ASC
LIMIT %(limit)s::bigint OFFSET %(offset)s;
