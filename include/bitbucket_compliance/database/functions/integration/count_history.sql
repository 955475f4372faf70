-- Purpose: trigger of compliance.result_history: count what begins and ends into integration.history_moves, and what of
-- it is stale meanwhile. What begins and ends on one day counts on none.

CREATE FUNCTION integration.count_history() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $count$
BEGIN
    EXECUTE format(
        $counting$
        INSERT INTO integration.history_moves AS moves (
            workspace, day, test_id, severity, status, bypassed, subjects, stale
        )
        SELECT
            ends.workspace,
            (ends.at AT TIME ZONE 'UTC')::date AS day,
            ends.test_id,
            ends.severity,
            ends.status,
            coalesce(ends.bypassed, 0) > 0 AS is_bypassed,
            sum(ends.subjects),
            sum(ends.stale)
        FROM (
            SELECT counted.*, moved.at, counted.sign * moved.sign AS subjects, 0 AS stale
            FROM (%1$s) AS counted
            CROSS JOIN LATERAL (VALUES (counted.valid_from, 1), (counted.valid_to, -1)) AS moved (at, sign)
            UNION ALL
            SELECT counted.*, moved.at, 0 AS subjects, counted.sign * moved.sign AS stale
            FROM (%1$s) AS counted
            INNER JOIN compliance.stale_records AS periods
                ON
                    counted.workspace = periods.workspace
                    AND counted.test_id = periods.test_id
                    AND counted.subject_id = periods.subject_id
                    AND tstzrange(counted.valid_from, counted.valid_to)
                    && tstzrange(periods.stale_from, periods.stale_to)
            CROSS JOIN LATERAL (
                VALUES
                (greatest(counted.valid_from, periods.stale_from), 1),
                (least(counted.valid_to, periods.stale_to), -1)
            ) AS moved (at, sign)
        ) AS ends
        WHERE ends.at IS NOT null AND ends.reason_code NOT IN ('removed_or_invisible', 'test_disabled')
        GROUP BY ends.workspace, day, ends.test_id, ends.severity, ends.status, is_bypassed
        HAVING sum(ends.subjects) <> 0 OR sum(ends.stale) <> 0
        ON CONFLICT (workspace, day, test_id, severity, status, bypassed) DO UPDATE
            SET subjects = moves.subjects + excluded.subjects, stale = moves.stale + excluded.stale
        $counting$,
        CASE tg_op
            WHEN 'INSERT' THEN 'SELECT 1 AS sign, written.* FROM written'
            ELSE 'SELECT 1 AS sign, written.* FROM written UNION ALL SELECT -1 AS sign, stood.* FROM stood'
        END
    );
    RETURN null;
END
$count$;

CREATE TRIGGER new_intervals_are_counted
AFTER INSERT ON compliance.result_history REFERENCING NEW TABLE AS written
FOR EACH STATEMENT EXECUTE FUNCTION integration.count_history();

CREATE TRIGGER ended_intervals_are_counted
AFTER UPDATE ON compliance.result_history REFERENCING OLD TABLE AS stood NEW TABLE AS written
FOR EACH STATEMENT EXECUTE FUNCTION integration.count_history();
