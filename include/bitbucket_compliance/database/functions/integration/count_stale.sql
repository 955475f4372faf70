-- Purpose: trigger of compliance.stale_records: count in integration.history_moves when which results began and ended
-- to be stale.

CREATE FUNCTION integration.count_stale() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $count$
BEGIN
    EXECUTE format(
        $counting$
        INSERT INTO integration.history_moves AS moves (
            workspace, day, test_id, severity, status, bypassed, subjects, stale
        )
        SELECT
            history.workspace,
            (moved.at AT TIME ZONE 'UTC')::date AS day,
            history.test_id,
            history.severity,
            history.status,
            coalesce(history.bypassed, 0) > 0 AS is_bypassed,
            0,
            sum(counted.sign * moved.sign)
        FROM (%s) AS counted
        INNER JOIN compliance.result_history AS history
            ON
                counted.workspace = history.workspace
                AND counted.test_id = history.test_id
                AND counted.subject_id = history.subject_id
                AND tstzrange(counted.stale_from, counted.stale_to) && tstzrange(history.valid_from, history.valid_to)
        CROSS JOIN LATERAL (
            VALUES
            (greatest(history.valid_from, counted.stale_from), 1),
            (least(history.valid_to, counted.stale_to), -1)
        ) AS moved (at, sign)
        WHERE moved.at IS NOT null AND history.reason_code NOT IN ('removed_or_invisible', 'test_disabled')
        GROUP BY history.workspace, day, history.test_id, history.severity, history.status, is_bypassed
        HAVING sum(counted.sign * moved.sign) <> 0
        ON CONFLICT (workspace, day, test_id, severity, status, bypassed) DO UPDATE
            SET stale = moves.stale + excluded.stale
        $counting$,
        CASE tg_op
            WHEN 'INSERT' THEN 'SELECT 1 AS sign, written.* FROM written'
            ELSE 'SELECT 1 AS sign, written.* FROM written UNION ALL SELECT -1 AS sign, stood.* FROM stood'
        END
    );
    RETURN null;
END
$count$;

CREATE TRIGGER new_periods_are_counted
AFTER INSERT ON compliance.stale_records REFERENCING NEW TABLE AS written
FOR EACH STATEMENT EXECUTE FUNCTION integration.count_stale();

CREATE TRIGGER ended_periods_are_counted
AFTER UPDATE ON compliance.stale_records REFERENCING OLD TABLE AS stood NEW TABLE AS written
FOR EACH STATEMENT EXECUTE FUNCTION integration.count_stale();
