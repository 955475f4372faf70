-- Purpose: where each test of a workspace stood at the end of each of the newest days, as compliance.daily_trend
-- counts; that view works out the whole past and what was stale in it, which takes longer than a page may.
WITH period AS (
    SELECT
        (now() AT TIME ZONE 'UTC')::date AS last_day,
        (now() AT TIME ZONE 'UTC')::date - %(days)s::integer + 1 AS first_day
),

intervals AS (
    SELECT
        history.test_id,
        history.severity,
        history.status,
        greatest((history.valid_from AT TIME ZONE 'UTC')::date, period.first_day) AS from_day,
        (history.valid_to AT TIME ZONE 'UTC')::date AS to_day,
        count(*) AS subjects
    FROM compliance.result_history AS history
    CROSS JOIN period
    WHERE
        history.workspace = %(workspace)s
        AND history.reason_code NOT IN ('removed_or_invisible', 'test_disabled')
        AND (history.valid_to IS null OR history.valid_to > period.first_day::timestamp AT TIME ZONE 'UTC')
    GROUP BY history.test_id, history.severity, history.status, from_day, to_day
),

moves AS (
    SELECT
        intervals.test_id,
        intervals.severity,
        ends.day,
        sum(ends.sign * intervals.subjects) AS subjects,
        sum(ends.sign * intervals.subjects) FILTER (WHERE intervals.status = 'passing') AS passing,
        sum(ends.sign * intervals.subjects) FILTER (WHERE intervals.status = 'failing') AS failing
    FROM intervals
    CROSS JOIN LATERAL (VALUES (intervals.from_day, 1), (intervals.to_day, -1)) AS ends (day, sign)
    WHERE ends.day IS NOT null
    GROUP BY intervals.test_id, intervals.severity, ends.day
),

series AS (
    SELECT DISTINCT
        moves.test_id,
        moves.severity
    FROM moves
),

held AS (
    SELECT
        days.day::date AS day,
        series.test_id,
        series.severity,
        sum(moves.subjects) OVER running AS subjects,
        coalesce(sum(moves.passing) OVER running, 0)::integer AS passing,
        coalesce(sum(moves.failing) OVER running, 0)::integer AS failing
    FROM series
    CROSS JOIN period
    CROSS JOIN LATERAL generate_series(period.first_day, period.last_day, interval '1 day') AS days (day)
    LEFT JOIN moves
        ON series.test_id = moves.test_id AND series.severity = moves.severity AND days.day = moves.day
    WINDOW running AS (PARTITION BY series.test_id, series.severity ORDER BY days.day)
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
