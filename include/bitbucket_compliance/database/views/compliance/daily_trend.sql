-- Purpose: how many subjects stood where at the end of each day, by workspace and test, also on days without a run.

CREATE VIEW compliance.daily_trend AS
WITH intervals AS (
    SELECT
        history.workspace,
        history.test_id,
        history.severity,
        history.status,
        coalesce(history.bypassed, 0) > 0 AS is_bypassed,
        (history.evidence_until AT TIME ZONE 'UTC')::date AS expired_day,
        (history.valid_from AT TIME ZONE 'UTC')::date AS from_day,
        (history.valid_to AT TIME ZONE 'UTC')::date AS to_day
    FROM compliance.result_history AS history
    WHERE history.reason_code NOT IN ('removed_or_invisible', 'test_disabled')
),

-- An interval counts on the days at whose end it held: one that began and ended on one day on none.
changes AS (
    SELECT
        intervals.workspace,
        intervals.test_id,
        intervals.severity,
        moves.day,
        sum(moves.sign) FILTER (WHERE intervals.status = 'passing') AS passing,
        sum(moves.sign) FILTER (WHERE intervals.status = 'failing') AS failing,
        sum(moves.sign) FILTER (WHERE intervals.status = 'pending') AS pending,
        sum(moves.sign) FILTER (WHERE intervals.status = 'error') AS error,
        sum(moves.sign) FILTER (WHERE intervals.status = 'not_applicable') AS not_applicable,
        sum(moves.sign) FILTER (WHERE intervals.is_bypassed) AS bypassed,
        sum(moves.expired) AS expired
    FROM intervals
    CROSS JOIN
        LATERAL (
            VALUES
            (intervals.from_day, 1, 0),
            (intervals.to_day, -1, 0),
            (greatest(intervals.from_day, intervals.expired_day), 0, 1),
            (CASE WHEN intervals.expired_day < intervals.to_day THEN intervals.to_day END, 0, -1)
        ) AS moves (day, sign, expired)
    WHERE
        moves.day IS NOT null
        AND (
            moves.expired = 0
            OR (
                intervals.expired_day IS NOT null
                AND (intervals.to_day IS null OR intervals.expired_day < intervals.to_day)
            )
        )
    GROUP BY intervals.workspace, intervals.test_id, intervals.severity, moves.day
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
        coalesce(sum(changes.expired) OVER running, 0)::bigint AS expired
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

runs AS (
    SELECT
        runs.workspace,
        (runs.finished_at AT TIME ZONE 'UTC')::date AS day,
        max(
            runs.started_at
            + make_interval(secs => 3600.0 * (policies.thresholds ->> 'max_data_age_hours')::double precision)
        ) AS fresh_until
    FROM integration.runs AS runs
    INNER JOIN compliance.policies AS policies ON runs.policy_version = policies.policy_version
    WHERE runs.status = 'published' AND runs.kind = 'polling'
    GROUP BY runs.workspace, (runs.finished_at AT TIME ZONE 'UTC')::date
),

-- What was read last, by the end of each day, may be too old then.
days AS (
    SELECT
        dates.workspace,
        dates.day,
        runs.day IS NOT null AS observed,
        max(runs.fresh_until) OVER (PARTITION BY dates.workspace ORDER BY dates.day)
        >= least((dates.day + 1)::timestamp AT TIME ZONE 'UTC', now()) AS is_fresh
    FROM (
        SELECT DISTINCT
            held.workspace,
            held.day
        FROM held
    ) AS dates
    LEFT JOIN runs ON dates.workspace = runs.workspace AND dates.day = runs.day
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
    CASE
        WHEN days.is_fresh THEN held.expired
        ELSE held.passing + held.failing + held.pending + held.error + held.not_applicable
    END AS stale,
    held.bypassed,
    days.observed,
    workspaces.workspace_id
FROM held
INNER JOIN days ON held.workspace = days.workspace AND held.day = days.day
LEFT JOIN staging.workspaces AS workspaces ON held.workspace = workspaces.workspace
INNER JOIN compliance.severity_weights AS weights ON held.severity = weights.severity
WHERE held.passing + held.failing + held.pending + held.error + held.not_applicable > 0;

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
'Of all of them, those that could not be relied on any more at the end of the day: their evidence had expired, or the newest whole run was too old for anything it read.';
COMMENT ON COLUMN compliance.daily_trend.bypassed IS
'Subjects of which merges in the window went around a rule that was in force.';
COMMENT ON COLUMN compliance.daily_trend.observed IS
'Whether a whole run was published on that day: other days repeat what was found before, and prove nothing new.';
COMMENT ON COLUMN compliance.daily_trend.workspace_id IS
'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';

GRANT SELECT ON compliance.daily_trend TO compliance_pipeline, compliance_console, compliance_reader;
