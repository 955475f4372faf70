-- Purpose: how many subjects of each test stood where at the end of each day (UTC; today: now) of a period, whatever
-- their severity, how many findings were opened on it, and whether the test was observed.

CREATE FUNCTION compliance.test_days(in_workspace text, first_day date, last_day date)
RETURNS TABLE (
    day date, test_id text, passing bigint, failing bigint, pending bigint, error bigint, not_applicable bigint,
    stale bigint, effective bigint, opened bigint, observed boolean
)
LANGUAGE sql STABLE
AS $days$
    WITH opened AS (
        SELECT
            findings.test_id,
            (findings.found_at AT TIME ZONE 'UTC')::date AS day,
            count(*) AS findings
        FROM compliance.findings AS findings
        WHERE
            findings.workspace = in_workspace
            AND findings.found_at >= first_day::timestamp AT TIME ZONE 'UTC'
            AND findings.found_at < (last_day + 1)::timestamp AT TIME ZONE 'UTC'
        GROUP BY findings.test_id, day
    )

    SELECT
        trend.day,
        trend.test_id,
        sum(trend.passing)::bigint,
        sum(trend.failing)::bigint,
        sum(trend.pending)::bigint,
        sum(trend.error)::bigint,
        sum(trend.not_applicable)::bigint,
        sum(trend.stale)::bigint,
        sum(trend.effective)::bigint,
        coalesce(max(opened.findings), 0),
        -- A test of which everything is stale, or nothing is decided, was not observed, whatever was published.
        bool_or(trend.observed)
        AND sum(trend.passing + trend.failing) > 0
        AND sum(trend.stale) < sum(trend.passing + trend.failing + trend.pending + trend.error)
    FROM compliance.daily_trend AS trend
    LEFT JOIN opened ON trend.test_id = opened.test_id AND trend.day = opened.day
    WHERE trend.workspace = in_workspace AND trend.day BETWEEN first_day AND last_day
    GROUP BY trend.day, trend.test_id
    ORDER BY trend.day, trend.test_id
$days$;

COMMENT ON FUNCTION compliance.test_days(text, date, date) IS
'How many subjects of each test stood where at the end of each day (UTC; today: now) of a period, how many findings were opened on it, and whether the test was observed: a whole run was published, something was decided, and not everything was stale. effective: of which it was known that they pass, neither stale nor bypassed; null where no whole run was published.';

GRANT EXECUTE ON FUNCTION compliance.test_days(text, date, date)
TO compliance_pipeline, compliance_console, compliance_reader;
