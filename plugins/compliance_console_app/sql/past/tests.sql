-- Purpose: the tests whose results were published at a moment, each with its counts; in all_… those of the workspace.

WITH counted AS (
    SELECT
        results.test_id,
        min(results.severity) AS severity,
        count(*) FILTER (WHERE results.status = 'passing') AS passing,
        count(*) FILTER (WHERE results.status = 'failing') AS failing,
        count(*) FILTER (WHERE results.status IN ('pending', 'error')) AS undecided,
        count(*) FILTER (WHERE results.status = 'not_applicable') AS not_applicable,
        count(*) FILTER (WHERE results.is_stale) AS stale,
        count(*) FILTER (WHERE results.status = 'failing' AND results.exception_id IS NOT null) AS accepted,
        count(*) FILTER (
            WHERE results.failing_since IS NOT null AND results.due_at < %(as_of)s AND results.exception_id IS null
        ) AS overdue
    FROM compliance.results_as_of(%(as_of)s::timestamptz) AS results
    WHERE results.workspace = %(workspace)s
    GROUP BY results.test_id
)

SELECT
    counted.*,
    coalesce(tests.test_title, counted.test_id) AS test_title,
    tests.description,
    compliance.score(counted.passing, counted.failing) AS score,
    compliance.score(
        sum(weights.weight * counted.passing) OVER (), sum(weights.weight * counted.failing) OVER ()
    ) AS all_score,
    sum(counted.passing) OVER () AS all_passing,
    sum(counted.failing) OVER () AS all_failing,
    sum(counted.undecided) OVER () AS all_undecided,
    sum(counted.stale) OVER () AS all_stale,
    sum(counted.accepted) OVER () AS all_accepted,
    sum(counted.overdue) OVER () AS all_overdue
FROM counted
INNER JOIN compliance.severity_weights AS weights ON counted.severity = weights.severity
LEFT JOIN compliance.tests AS tests ON counted.test_id = tests.test_id
ORDER BY tests.display_order ASC, counted.test_id ASC;
