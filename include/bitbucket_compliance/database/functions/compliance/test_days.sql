-- Purpose: how many subjects of each test stood where at the end of each day (UTC; today: now) of a period, as
-- compliance.daily_trend counts over all severities. That view works out the whole past; this adds up what was counted
-- as history was written, and looks into history for what is stale or bypassed alone.

CREATE FUNCTION compliance.test_days(in_workspace text, first_day date, last_day date)
RETURNS TABLE (
    day date, test_id text, passing bigint, failing bigint, pending bigint, error bigint, not_applicable bigint,
    stale bigint, effective bigint, opened bigint, observed boolean
)
-- by its owner's rights, as a view: a reader has none to what is counted
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $days$
    WITH moves AS MATERIALIZED (
        SELECT
            counted.test_id,
            greatest(counted.day, first_day) AS day,
            sum(counted.subjects) FILTER (WHERE counted.status = 'passing') AS passing,
            sum(counted.subjects) FILTER (WHERE counted.status = 'failing') AS failing,
            sum(counted.subjects) FILTER (WHERE counted.status = 'pending') AS pending,
            sum(counted.subjects) FILTER (WHERE counted.status = 'error') AS error,
            sum(counted.subjects) FILTER (WHERE counted.status = 'not_applicable') AS not_applicable,
            0::bigint AS stale,
            0::bigint AS not_effective
        FROM integration.history_moves AS counted
        WHERE counted.workspace = in_workspace AND counted.day <= last_day
        GROUP BY counted.test_id, greatest(counted.day, first_day)
        UNION ALL
        SELECT
            history.test_id,
            greatest((ends.at AT TIME ZONE 'UTC')::date, first_day),
            0, 0, 0, 0, 0,
            0,
            ends.sign
        FROM compliance.result_history AS history
        CROSS JOIN LATERAL (VALUES (history.valid_from, 1), (history.valid_to, -1)) AS ends (at, sign)
        WHERE
            history.workspace = in_workspace
            AND history.bypassed > 0
            AND history.status = 'passing'
            AND (ends.at AT TIME ZONE 'UTC')::date <= last_day
        UNION ALL
        SELECT
            history.test_id,
            greatest((ends.at AT TIME ZONE 'UTC')::date, first_day),
            0, 0, 0, 0, 0,
            ends.sign,
            CASE WHEN history.status = 'passing' AND coalesce(history.bypassed, 0) = 0 THEN ends.sign ELSE 0 END
        FROM compliance.stale_periods AS periods
        INNER JOIN compliance.result_history AS history
            ON
                periods.workspace = history.workspace
                AND periods.test_id = history.test_id
                AND periods.subject_id = history.subject_id
                AND (history.valid_to IS null OR periods.stale_from < history.valid_to)
                AND (periods.stale_to IS null OR periods.stale_to > history.valid_from)
        CROSS JOIN LATERAL (
            VALUES
            (greatest(history.valid_from, periods.stale_from), 1), (least(history.valid_to, periods.stale_to), -1)
        ) AS ends (at, sign)
        WHERE
            periods.workspace = in_workspace
            AND periods.stale_from <= now()
            AND periods.stale_from < (last_day + 1)::timestamp AT TIME ZONE 'UTC'
            AND history.reason_code NOT IN ('removed_or_invisible', 'test_disabled')
            AND (ends.at AT TIME ZONE 'UTC')::date <= last_day
    ),

    -- Days without a move stand in it too.
    steps AS (
        SELECT * FROM moves
        UNION ALL
        SELECT
            tests.test_id,
            days.day::date,
            0, 0, 0, 0, 0, 0, 0
        FROM (SELECT DISTINCT moves.test_id FROM moves) AS tests
        CROSS JOIN LATERAL generate_series(
            first_day, least(last_day, (now() AT TIME ZONE 'UTC')::date), interval '1 day'
        ) AS days (day)
    ),

    held AS (
        SELECT
            steps.day,
            steps.test_id,
            coalesce(sum(sum(steps.passing)) OVER running, 0)::bigint AS passing,
            coalesce(sum(sum(steps.failing)) OVER running, 0)::bigint AS failing,
            coalesce(sum(sum(steps.pending)) OVER running, 0)::bigint AS pending,
            coalesce(sum(sum(steps.error)) OVER running, 0)::bigint AS error,
            coalesce(sum(sum(steps.not_applicable)) OVER running, 0)::bigint AS not_applicable,
            coalesce(sum(sum(steps.stale)) OVER running, 0)::bigint AS stale,
            coalesce(sum(sum(steps.not_effective)) OVER running, 0)::bigint AS not_effective
        FROM steps
        GROUP BY steps.day, steps.test_id
        WINDOW running AS (PARTITION BY steps.test_id ORDER BY steps.day)
    ),

    opened AS (
        SELECT
            findings.test_id,
            (findings.found_at AT TIME ZONE 'UTC')::date AS day,
            count(*) AS findings
        FROM compliance.finding_records AS findings
        WHERE
            findings.workspace = in_workspace
            AND findings.found_at >= first_day::timestamp AT TIME ZONE 'UTC'
            AND findings.found_at < (last_day + 1)::timestamp AT TIME ZONE 'UTC'
        GROUP BY findings.test_id, day
    ),

    -- The days on which a whole run was published.
    runs AS (
        SELECT DISTINCT (runs.finished_at AT TIME ZONE 'UTC')::date AS day
        FROM integration.runs AS runs
        WHERE runs.workspace = in_workspace AND runs.status = 'published' AND runs.kind = 'polling'
    )

    SELECT
        held.day,
        held.test_id,
        held.passing,
        held.failing,
        held.pending,
        held.error,
        held.not_applicable,
        held.stale,
        CASE WHEN runs.day IS NOT null THEN held.passing - held.not_effective END,
        coalesce(opened.findings, 0),
        -- A test of which everything is stale, or nothing is decided, was not observed, whatever was published.
        runs.day IS NOT null
        AND held.passing + held.failing > 0
        AND held.stale < held.passing + held.failing + held.pending + held.error
    FROM held
    LEFT JOIN runs ON held.day = runs.day
    LEFT JOIN opened ON held.test_id = opened.test_id AND held.day = opened.day
    LEFT JOIN compliance.history_kept AS kept ON kept.workspace = in_workspace
    WHERE
        held.passing + held.failing + held.pending + held.error + held.not_applicable > 0
        AND held.day <= least(last_day, (now() AT TIME ZONE 'UTC')::date)
        AND coalesce((held.day + 1)::timestamp AT TIME ZONE 'UTC' > kept.kept_from, true)
    ORDER BY held.day, held.test_id
$days$;

COMMENT ON FUNCTION compliance.test_days(text, date, date) IS
'How many subjects of each test stood where at the end of each day (UTC; today: now) of a period, how many findings were opened on it, and whether the test was observed: a whole run was published, something was decided, and not everything was stale. effective: of which it was known that they pass, neither stale nor bypassed; null where no whole run was published.';

REVOKE ALL ON FUNCTION compliance.test_days(text, date, date) FROM public;
GRANT EXECUTE ON FUNCTION compliance.test_days(text, date, date)
TO compliance_pipeline, compliance_console, compliance_reader;
