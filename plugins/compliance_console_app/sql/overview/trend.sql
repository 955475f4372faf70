-- Purpose: where each test of a workspace stood at the end of each of the newest days.
SELECT
    trend.day,
    trend.test_id,
    coalesce(trend.test_title, trend.test_id) AS test_title,
    trend.passing::integer AS passing,
    trend.failing::integer AS failing,
    trend.weighted_passing::bigint AS weighted_passing,
    trend.weighted_decided::bigint AS weighted_decided
FROM compliance.daily_trend AS trend
WHERE trend.workspace = %(workspace)s AND trend.day > (now() AT TIME ZONE 'UTC')::date - %(days)s::integer
ORDER BY trend.day, trend.test_id
