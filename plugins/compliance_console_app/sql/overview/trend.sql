-- Purpose: where each test of a workspace stood at the end of each of the newest days, as compliance.daily_trend
-- counts. That view works out the whole past and what was stale in it, which takes longer than a page may.
WITH period AS (
    SELECT
        (now() AT TIME ZONE 'UTC')::date AS last_day,
        (now() AT TIME ZONE 'UTC')::date - %(days)s::integer + 1 AS first_day
),

moves AS (
    SELECT
        counted.test_id,
        counted.severity,
        greatest(counted.day, period.first_day) AS day,
        sum(counted.subjects) AS subjects,
        sum(counted.subjects) FILTER (WHERE counted.status = 'passing') AS passing,
        sum(counted.subjects) FILTER (WHERE counted.status = 'failing') AS failing
    FROM integration.history_moves AS counted
    CROSS JOIN period
    WHERE counted.workspace = %(workspace)s
    GROUP BY counted.test_id, counted.severity, greatest(counted.day, period.first_day)
),

-- Days without a move stand in it too.
steps AS (
    SELECT * FROM moves
    UNION ALL
    SELECT
        series.test_id,
        series.severity,
        days.day::date,
        0,
        0,
        0
    FROM (
        SELECT DISTINCT
            moves.test_id,
            moves.severity
        FROM moves
    ) AS series
    CROSS JOIN period
    CROSS JOIN LATERAL generate_series(period.first_day, period.last_day, interval '1 day') AS days (day)
),

held AS (
    SELECT
        steps.day,
        steps.test_id,
        steps.severity,
        sum(sum(steps.subjects)) OVER running AS subjects,
        coalesce(sum(sum(steps.passing)) OVER running, 0)::integer AS passing,
        coalesce(sum(sum(steps.failing)) OVER running, 0)::integer AS failing
    FROM steps
    GROUP BY steps.day, steps.test_id, steps.severity
    WINDOW running AS (PARTITION BY steps.test_id, steps.severity ORDER BY steps.day)
)

SELECT
    held.day,
    held.test_id,
    coalesce(tests.test_title, held.test_id) AS test_title,
    held.passing,
    held.failing,
    weights.weight * held.passing::bigint AS weighted_passing,
    weights.weight * (held.passing + held.failing)::bigint AS weighted_decided
FROM held
INNER JOIN compliance.severity_weights AS weights ON held.severity = weights.severity
LEFT JOIN compliance.tests AS tests ON held.test_id = tests.test_id
WHERE held.subjects > 0
ORDER BY held.day, held.test_id
