-- Purpose: the first enabled test of the run that did not judge, judged what was staged before, or whose verdicts are
-- not one for each subject; and what is wrong. The session names workspace and run, as the views of quality want it.

WITH enabled AS (
    SELECT
        wanted.test_id,
        tests.judged_at,
        runs.staged_at
    FROM integration.runs AS runs
    CROSS JOIN unnest(%(test_ids)s::text[]) AS wanted (test_id)
    LEFT JOIN judged.enabled_tests AS tests
        ON
            runs.workspace = tests.workspace
            AND runs.run_id = tests.run_id
            AND wanted.test_id = tests.test_id
    WHERE runs.workspace = %(workspace)s AND runs.run_id = %(run_id)s
)

SELECT
    enabled.test_id,
    'did not judge' AS problem
FROM enabled
WHERE enabled.judged_at IS null
UNION ALL
SELECT
    enabled.test_id,
    'judged before something was staged again' AS problem
FROM enabled
WHERE enabled.judged_at < enabled.staged_at
UNION ALL
(
    SELECT
        mismatches.test_id,
        CASE WHEN mismatches.is_expected THEN 'left no verdict for ' ELSE 'was not to judge ' END
        || coalesce(mismatches.repository, mismatches.subject_id) AS problem
    FROM enabled
    INNER JOIN quality.verdict_mismatches AS mismatches ON enabled.test_id = mismatches.test_id
    WHERE enabled.judged_at IS NOT null
)
LIMIT 1;
