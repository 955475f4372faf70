-- Purpose: the repositories of one chunk, and how many come before them. remembered_checks: merge checks of an earlier
-- run that decide where none can be seen now. they_suffice: until the next run, and for each of these tests: no own
-- rules that were read since fell short.

WITH totals AS (
    SELECT
        count(*) AS total,
        count(*) FILTER (WHERE items.chunk < %(chunk)s) AS before
    FROM landing.work_items AS items
    WHERE items.workspace = %(workspace)s AND items.run_id = %(run_id)s
)

SELECT
    items.repository_id,
    items.slug,
    items.main_branch,
    items.non_production,
    items.read_signature LIKE '%%+evidence' AS has_project_evidence,
    %(full_refresh)s OR items.cause = 'never_read' AS is_first_reading,
    coalesce(repositories.size = 0, false) AS is_without_content,
    checks.checks AS remembered_checks,
    checks.data_as_of >= %(relied_on_since)s
    AND NOT EXISTS (
        SELECT 1
        FROM unnest(%(fallback_tests)s::text[]) AS tests (test_id)
        CROSS JOIN LATERAL judging.last_readings(items.workspace, tests.test_id) AS readings
        WHERE readings.subject_id = items.repository_id AND readings.fell_short_at > checks.data_as_of
    ) AS they_suffice,
    totals.total,
    totals.before
FROM landing.work_items AS items
CROSS JOIN totals
INNER JOIN staging.repositories AS repositories
    ON items.workspace = repositories.workspace AND items.repository_id = repositories.repository_id
LEFT JOIN staging.merge_checks AS checks
    ON
        items.workspace = checks.workspace
        AND items.repository_id = checks.repository_id
        AND items.main_branch = checks.main_branch
        AND checks.data_as_of >= %(oldest_merge_checks)s
WHERE items.workspace = %(workspace)s AND items.run_id = %(run_id)s AND items.chunk = %(chunk)s
ORDER BY items.place;
