-- Purpose: one page of the results that were published at a moment: of a test, or what was failing. Which they are is
-- worked out first, and what each says is looked up for the page alone.

WITH found AS (
    SELECT
        results.test_id,
        results.subject_id,
        results.subject_name,
        results.status,
        results.valid_from,
        results.failing_since,
        results.due_at,
        results.exception_id,
        results.is_stale
    FROM compliance.results_as_of(%(as_of)s::timestamptz) AS results
    WHERE
        results.workspace = %(workspace)s
        AND (%(test_id)s::text = '' OR results.test_id = %(test_id)s)
        AND (%(status)s::text = '' OR results.status = %(status)s)
        AND (%(severity)s::text = '' OR results.severity = %(severity)s)
        AND (
            %(words)s::text = ''
            OR strpos(lower(results.subject_name), lower(%(words)s)) > 0
            OR strpos(lower(results.reason), lower(%(words)s)) > 0
        )
),

shown AS (
    SELECT
        found.*,
        count(*) OVER () AS total
    FROM found
    ORDER BY
        array_position(ARRAY['failing', 'error', 'pending', 'passing', 'not_applicable'], found.status) ASC,
        found.due_at ASC NULLS LAST,
        coalesce(found.subject_name, found.subject_id) ASC,
        found.subject_id ASC,
        found.test_id ASC
    LIMIT %(limit)s::bigint OFFSET %(offset)s
)

SELECT
    shown.test_id,
    coalesce(tests.test_title, shown.test_id) AS test_title,
    tests.display_order,
    history.subject_type,
    shown.subject_id,
    coalesce(shown.subject_name, shown.subject_id) AS subject_name,
    history.severity,
    shown.status,
    history.basis,
    history.reason,
    history.detail,
    history.bypassed,
    history.data_as_of,
    shown.valid_from,
    shown.failing_since,
    shown.due_at,
    coalesce(shown.due_at < %(as_of)s AND shown.exception_id IS null, false) AS is_overdue,
    shown.exception_id IS NOT null AS is_accepted,
    shown.is_stale,
    history.run_id,
    history.policy_version,
    shown.total
FROM shown
INNER JOIN compliance.result_history AS history
    ON
        history.workspace = %(workspace)s
        AND shown.test_id = history.test_id
        AND shown.subject_id = history.subject_id
        AND shown.valid_from = history.valid_from
LEFT JOIN compliance.tests AS tests ON shown.test_id = tests.test_id
ORDER BY
    array_position(ARRAY['failing', 'error', 'pending', 'passing', 'not_applicable'], shown.status) ASC,
    shown.due_at ASC NULLS LAST,
    coalesce(shown.subject_name, shown.subject_id) ASC,
    shown.subject_id ASC,
    shown.test_id ASC;
