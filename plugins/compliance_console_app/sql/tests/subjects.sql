-- Purpose: one page of the subjects of a test, by status and by words in name or reason, in the order asked for.
WITH found AS (
    SELECT
        results.subject_id,
        coalesce(results.subject_name, results.subject_id) AS subject_name,
        results.status,
        results.basis,
        results.reason,
        results.status_since,
        results.due_at,
        results.failing_since,
        results.exception_id,
        results.is_stale
    FROM compliance.current_results AS results
    WHERE
        results.workspace = %(workspace)s
        AND results.test_id = %(test_id)s
        AND (%(status)s = '' OR results.status = %(status)s)
        AND (
            %(words)s = ''
            OR strpos(lower(results.subject_name), lower(%(words)s)) > 0
            OR strpos(lower(results.reason), lower(%(words)s)) > 0
            OR results.reason_code = %(words)s
        )
)

SELECT
    found.*,
    count(*) OVER () AS total
FROM found
ORDER BY
    CASE
        WHEN %(sort)s = 'status'
            THEN array_position(ARRAY['failing', 'error', 'pending', 'passing', 'not_applicable'], found.status)
    END ASC,
    CASE WHEN %(sort)s IN ('status', 'due') AND found.failing_since IS NOT null THEN found.due_at END ASC NULLS LAST,
    CASE WHEN %(sort)s = 'since' THEN found.status_since END DESC,
    found.subject_name ASC,
    found.subject_id ASC
LIMIT %(limit)s OFFSET %(offset)s
