-- Purpose: how many subjects stood where at the end of each day, by workspace and test, also on days without a run.

CREATE VIEW compliance.daily_trend AS
WITH moves AS (
    SELECT
        counted.workspace,
        counted.test_id,
        counted.severity,
        counted.status,
        counted.bypassed,
        counted.day,
        counted.subjects,
        counted.stale
    FROM integration.history_moves AS counted
    UNION ALL
    -- What got past its freshness since the last run.
    SELECT
        history.workspace,
        history.test_id,
        history.severity,
        history.status,
        coalesce(history.bypassed, 0) > 0 AS bypassed,
        (ends.at AT TIME ZONE 'UTC')::date AS day,
        0 AS subjects,
        ends.stale
    FROM integration.unnoted_stale_periods AS periods
    INNER JOIN compliance.result_history AS history
        ON
            periods.workspace = history.workspace
            AND periods.test_id = history.test_id
            AND periods.subject_id = history.subject_id
            AND (history.valid_to IS null OR periods.stale_from < history.valid_to)
    CROSS JOIN
        LATERAL (
            VALUES (greatest(history.valid_from, periods.stale_from), 1), (history.valid_to, -1)
        ) AS ends (at, stale)
    WHERE
        periods.stale_from <= now()
        AND ends.at IS NOT null
        AND history.reason_code NOT IN ('removed_or_invisible', 'test_disabled')
),

changes AS (
    SELECT
        moves.workspace,
        moves.test_id,
        moves.severity,
        moves.day,
        sum(moves.subjects) FILTER (WHERE moves.status = 'passing') AS passing,
        sum(moves.subjects) FILTER (WHERE moves.status = 'failing') AS failing,
        sum(moves.subjects) FILTER (WHERE moves.status = 'pending') AS pending,
        sum(moves.subjects) FILTER (WHERE moves.status = 'error') AS error,
        sum(moves.subjects) FILTER (WHERE moves.status = 'not_applicable') AS not_applicable,
        sum(moves.subjects) FILTER (WHERE moves.bypassed) AS bypassed,
        sum(moves.stale) AS stale,
        sum(moves.subjects - moves.stale) FILTER (WHERE moves.status = 'passing' AND NOT moves.bypassed) AS effective
    FROM moves
    GROUP BY moves.workspace, moves.test_id, moves.severity, moves.day
),

-- What holds on a day holds until the next one on which anything moved.
held AS (
    SELECT
        changes.workspace,
        changes.test_id,
        changes.severity,
        changes.day AS first_day,
        least(lead(changes.day) OVER running - 1, (now() AT TIME ZONE 'UTC')::date) AS last_day,
        coalesce(sum(changes.passing) OVER running, 0)::bigint AS passing,
        coalesce(sum(changes.failing) OVER running, 0)::bigint AS failing,
        coalesce(sum(changes.pending) OVER running, 0)::bigint AS pending,
        coalesce(sum(changes.error) OVER running, 0)::bigint AS error,
        coalesce(sum(changes.not_applicable) OVER running, 0)::bigint AS not_applicable,
        coalesce(sum(changes.bypassed) OVER running, 0)::bigint AS bypassed,
        coalesce(sum(changes.stale) OVER running, 0)::bigint AS stale,
        coalesce(sum(changes.effective) OVER running, 0)::bigint AS effective
    FROM changes
    WINDOW running AS (PARTITION BY changes.workspace, changes.test_id, changes.severity ORDER BY changes.day)
),

days AS (
    SELECT
        held.*,
        held.first_day + passed.days AS day
    FROM held
    CROSS JOIN LATERAL generate_series(0, held.last_day - held.first_day) AS passed (days)
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
    days.day,
    days.workspace,
    days.test_id,
    days.severity,
    days.passing,
    days.failing,
    days.pending,
    days.error,
    days.not_applicable,
    compliance.score(days.passing, days.failing) AS score,
    (weights.weight * days.passing)::bigint AS weighted_passing,
    (weights.weight * (days.passing + days.failing))::bigint AS weighted_decided,
    days.stale,
    days.bypassed,
    runs.day IS NOT null AS observed,
    workspaces.workspace_id,
    CASE WHEN runs.day IS NOT null THEN days.effective END AS effective,
    CASE
        WHEN runs.day IS NOT null
            THEN compliance.score(
                days.effective, days.passing + days.failing + days.pending + days.error - days.effective
            )
    END AS effective_share,
    tests.test_title
FROM days
LEFT JOIN compliance.tests AS tests ON days.test_id = tests.test_id
LEFT JOIN runs ON days.workspace = runs.workspace AND days.day = runs.day
LEFT JOIN staging.workspaces AS workspaces ON days.workspace = workspaces.workspace
LEFT JOIN compliance.history_kept AS kept ON days.workspace = kept.workspace
INNER JOIN compliance.severity_weights AS weights ON days.severity = weights.severity
WHERE
    days.passing + days.failing + days.pending + days.error + days.not_applicable > 0
    AND coalesce((days.day + 1)::timestamp AT TIME ZONE 'UTC' > kept.kept_from, true);

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
