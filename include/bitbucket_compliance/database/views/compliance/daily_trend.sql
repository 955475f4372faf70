-- Purpose: how many subjects stood where at the end of each day, by workspace and test, also on days without a run.

CREATE VIEW compliance.daily_trend AS
WITH intervals AS (
    SELECT
        history.workspace,
        history.test_id,
        history.subject_id,
        history.severity,
        history.status,
        history.valid_from,
        history.valid_to,
        coalesce(history.bypassed, 0) > 0 AS is_bypassed
    FROM compliance.result_history AS history
    WHERE history.reason_code NOT IN ('removed_or_invisible', 'test_disabled')
),

-- Whatever status a result had while it could not be relied on; periods that are yet to come are few days' affair.
stale AS (
    SELECT
        intervals.workspace,
        intervals.test_id,
        intervals.severity,
        intervals.status = 'passing' AND NOT intervals.is_bypassed AS was_effective,
        (greatest(intervals.valid_from, periods.stale_from) AT TIME ZONE 'UTC')::date AS from_day,
        (least(intervals.valid_to, periods.stale_to) AT TIME ZONE 'UTC')::date AS to_day
    FROM compliance.stale_periods AS periods
    INNER JOIN intervals
        ON
            periods.workspace = intervals.workspace
            AND periods.test_id = intervals.test_id
            AND periods.subject_id = intervals.subject_id
            AND (intervals.valid_to IS null OR periods.stale_from < intervals.valid_to)
            AND (periods.stale_to IS null OR periods.stale_to > intervals.valid_from)
    WHERE periods.stale_from <= now()
),

-- What holds counts on the days at whose end it does: what began and ended on one day on none.
moves AS (
    SELECT
        intervals.workspace,
        intervals.test_id,
        intervals.severity,
        intervals.status,
        intervals.is_bypassed,
        (ends.at AT TIME ZONE 'UTC')::date AS day,
        ends.sign,
        0 AS stale,
        CASE WHEN intervals.status = 'passing' AND NOT intervals.is_bypassed THEN ends.sign ELSE 0 END AS effective
    FROM intervals
    CROSS JOIN LATERAL (VALUES (intervals.valid_from, 1), (intervals.valid_to, -1)) AS ends (at, sign)
    UNION ALL
    SELECT
        stale.workspace,
        stale.test_id,
        stale.severity,
        null AS status,
        false AS is_bypassed,
        ends.day,
        0 AS sign,
        ends.sign AS stale,
        CASE WHEN stale.was_effective THEN -ends.sign ELSE 0 END AS effective
    FROM stale
    CROSS JOIN LATERAL (VALUES (stale.from_day, 1), (stale.to_day, -1)) AS ends (day, sign)
),

changes AS (
    SELECT
        moves.workspace,
        moves.test_id,
        moves.severity,
        moves.day,
        sum(moves.sign) FILTER (WHERE moves.status = 'passing') AS passing,
        sum(moves.sign) FILTER (WHERE moves.status = 'failing') AS failing,
        sum(moves.sign) FILTER (WHERE moves.status = 'pending') AS pending,
        sum(moves.sign) FILTER (WHERE moves.status = 'error') AS error,
        sum(moves.sign) FILTER (WHERE moves.status = 'not_applicable') AS not_applicable,
        sum(moves.sign) FILTER (WHERE moves.is_bypassed) AS bypassed,
        sum(moves.stale) AS stale,
        sum(moves.effective) AS effective
    FROM moves
    WHERE moves.day IS NOT null
    GROUP BY moves.workspace, moves.test_id, moves.severity, moves.day
),

series AS (
    SELECT
        firsts.workspace,
        firsts.test_id,
        firsts.severity,
        days.day::date AS day
    FROM (
        SELECT
            changes.workspace,
            changes.test_id,
            changes.severity,
            min(changes.day) AS first_day
        FROM changes
        GROUP BY changes.workspace, changes.test_id, changes.severity
    ) AS firsts
    CROSS JOIN LATERAL generate_series(
        firsts.first_day, (now() AT TIME ZONE 'UTC')::date, interval '1 day'
    ) AS days (day)
),

held AS (
    SELECT
        series.day,
        series.workspace,
        series.test_id,
        series.severity,
        coalesce(sum(changes.passing) OVER running, 0)::bigint AS passing,
        coalesce(sum(changes.failing) OVER running, 0)::bigint AS failing,
        coalesce(sum(changes.pending) OVER running, 0)::bigint AS pending,
        coalesce(sum(changes.error) OVER running, 0)::bigint AS error,
        coalesce(sum(changes.not_applicable) OVER running, 0)::bigint AS not_applicable,
        coalesce(sum(changes.bypassed) OVER running, 0)::bigint AS bypassed,
        coalesce(sum(changes.stale) OVER running, 0)::bigint AS stale,
        coalesce(sum(changes.effective) OVER running, 0)::bigint AS effective
    FROM series
    LEFT JOIN changes
        ON
            series.workspace = changes.workspace
            AND series.test_id = changes.test_id
            AND series.severity = changes.severity
            AND series.day = changes.day
    WINDOW running AS (
        PARTITION BY series.workspace, series.test_id, series.severity
        ORDER BY series.day
    )
),

-- The days on which a whole run was published.
runs AS (
    SELECT DISTINCT
        runs.workspace,
        (runs.finished_at AT TIME ZONE 'UTC')::date AS day
    FROM integration.runs AS runs
    WHERE runs.status = 'published' AND runs.kind = 'polling'
)

SELECT
    held.day,
    held.workspace,
    held.test_id,
    held.severity,
    held.passing,
    held.failing,
    held.pending,
    held.error,
    held.not_applicable,
    compliance.score(held.passing, held.failing) AS score,
    (weights.weight * held.passing)::bigint AS weighted_passing,
    (weights.weight * (held.passing + held.failing))::bigint AS weighted_decided,
    held.stale,
    held.bypassed,
    runs.day IS NOT null AS observed,
    workspaces.workspace_id,
    CASE WHEN runs.day IS NOT null THEN held.effective END AS effective,
    CASE
        WHEN runs.day IS NOT null
            THEN compliance.score(
                held.effective, held.passing + held.failing + held.pending + held.error - held.effective
            )
    END AS effective_share,
    tests.test_title
FROM held
LEFT JOIN compliance.tests AS tests ON held.test_id = tests.test_id
LEFT JOIN runs ON held.workspace = runs.workspace AND held.day = runs.day
LEFT JOIN staging.workspaces AS workspaces ON held.workspace = workspaces.workspace
LEFT JOIN compliance.history_kept AS kept ON held.workspace = kept.workspace
INNER JOIN compliance.severity_weights AS weights ON held.severity = weights.severity
WHERE
    held.passing + held.failing + held.pending + held.error + held.not_applicable > 0
    AND coalesce((held.day + 1)::timestamp AT TIME ZONE 'UTC' > kept.kept_from, true);

COMMENT ON VIEW compliance.daily_trend IS
'Day × workspace × test: how many subjects stood where at the end of the day (UTC; today: now), also on days without a run.';
COMMENT ON COLUMN compliance.daily_trend.day IS 'The day, in UTC.';
COMMENT ON COLUMN compliance.daily_trend.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.daily_trend.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.daily_trend.severity IS 'Severity at that time.';
COMMENT ON COLUMN compliance.daily_trend.passing IS 'Subjects passing.';
COMMENT ON COLUMN compliance.daily_trend.failing IS 'Subjects failing.';
COMMENT ON COLUMN compliance.daily_trend.pending IS 'Subjects that waited for something.';
COMMENT ON COLUMN compliance.daily_trend.error IS 'Subjects whose data could not be collected.';
COMMENT ON COLUMN compliance.daily_trend.not_applicable IS 'Subjects the test did not apply to.';
COMMENT ON COLUMN compliance.daily_trend.score IS 'Passing among passing and failing, in percent; null where nothing was decided.';
COMMENT ON COLUMN compliance.daily_trend.weighted_passing IS 'Passing times the severity''s weight: sum it over tests for the score of a workspace.';
COMMENT ON COLUMN compliance.daily_trend.weighted_decided IS 'Passing and failing times the weight: what weighted_passing is divided by.';
COMMENT ON COLUMN compliance.daily_trend.stale IS
'Of all of them, those that could not be relied on any more at the end of the day: their data was too old, or their evidence had expired; see stale_periods.';
COMMENT ON COLUMN compliance.daily_trend.bypassed IS
'Subjects of which merges in the window went around a rule that was in force.';
COMMENT ON COLUMN compliance.daily_trend.observed IS
'Whether a whole run was published on that day: other days repeat what was found before, and prove nothing new.';
COMMENT ON COLUMN compliance.daily_trend.effective IS
'Subjects of which it was known at the end of the day that they pass: neither stale nor bypassed; null where no whole run was published on that day.';
COMMENT ON COLUMN compliance.daily_trend.effective_share IS
'effective among all subjects that the test applies to, undecided ones included, in percent; null where no whole run was published on that day.';
COMMENT ON COLUMN compliance.daily_trend.test_title IS 'Title of the test; null: it is in the catalogue no more.';
COMMENT ON COLUMN compliance.daily_trend.workspace_id IS
'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';

GRANT SELECT ON compliance.daily_trend TO compliance_pipeline, compliance_console, compliance_reader;
