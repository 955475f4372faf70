-- Purpose: what integration.history_moves says of a workspace, and the same of opposite sign as its history says: by
-- day both add up to nothing. What lies before the days that retention keeps is one day.

CREATE FUNCTION integration.counted_moves(of_workspace text)
RETURNS TABLE (
    day date, test_id text, severity text, status text, bypassed boolean, subjects bigint, stale bigint
)
LANGUAGE sql STABLE
AS $moves$
    WITH intervals AS (
        SELECT
            history.test_id,
            history.subject_id,
            history.severity,
            history.status,
            coalesce(history.bypassed, 0) > 0 AS bypassed,
            history.valid_from,
            history.valid_to
        FROM compliance.result_history AS history
        WHERE
            history.workspace = of_workspace
            AND history.reason_code NOT IN ('removed_or_invisible', 'test_disabled')
    ),

    moves AS (
        SELECT
            noted.day,
            noted.test_id,
            noted.severity,
            noted.status,
            noted.bypassed,
            noted.subjects,
            noted.stale
        FROM integration.history_moves AS noted
        WHERE noted.workspace = of_workspace
        UNION ALL
        SELECT
            (ends.at AT TIME ZONE 'UTC')::date AS day,
            intervals.test_id,
            intervals.severity,
            intervals.status,
            intervals.bypassed,
            -ends.sign AS subjects,
            0 AS stale
        FROM intervals
        CROSS JOIN LATERAL (VALUES (intervals.valid_from, 1), (intervals.valid_to, -1)) AS ends (at, sign)
        WHERE ends.at IS NOT null
        UNION ALL
        SELECT
            (ends.at AT TIME ZONE 'UTC')::date AS day,
            intervals.test_id,
            intervals.severity,
            intervals.status,
            intervals.bypassed,
            0 AS subjects,
            -ends.sign AS stale
        FROM intervals
        INNER JOIN compliance.stale_records AS periods
            ON
                periods.workspace = of_workspace
                AND intervals.test_id = periods.test_id
                AND intervals.subject_id = periods.subject_id
                AND tstzrange(intervals.valid_from, intervals.valid_to)
                && tstzrange(periods.stale_from, periods.stale_to)
        CROSS JOIN LATERAL (
            VALUES
            (greatest(intervals.valid_from, periods.stale_from), 1),
            (least(intervals.valid_to, periods.stale_to), -1)
        ) AS ends (at, sign)
        WHERE ends.at IS NOT null
    )

    SELECT
        greatest(moves.day, (kept.kept_from AT TIME ZONE 'UTC')::date) AS day,
        moves.test_id,
        moves.severity,
        moves.status,
        moves.bypassed,
        moves.subjects,
        moves.stale
    FROM moves
    LEFT JOIN compliance.history_kept AS kept ON kept.workspace = of_workspace
$moves$;
