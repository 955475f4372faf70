-- Purpose: the score of a workspace at the end of each of the newest days, with what failed.
SELECT
    trend.day,
    sum(trend.failing)::integer AS failing,
    round(100.0 * sum(trend.weighted_passing) / nullif(sum(trend.weighted_decided), 0), 1)::float AS score
FROM compliance.daily_trend AS trend
WHERE trend.workspace = %(workspace)s AND trend.day > (now() AT TIME ZONE 'UTC')::date - %(days)s::integer
GROUP BY trend.day
ORDER BY trend.day
