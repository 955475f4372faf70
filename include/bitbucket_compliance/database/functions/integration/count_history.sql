-- Purpose: trigger of compliance.result_history: count what begins and ends into integration.history_moves. What begins
-- and ends on one day counts on none.

CREATE FUNCTION integration.count_history() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $count$
BEGIN
    INSERT INTO integration.history_moves AS moves (workspace, day, test_id, severity, status, subjects)
    SELECT
        written.workspace,
        (ends.at AT TIME ZONE 'UTC')::date AS day,
        written.test_id,
        written.severity,
        written.status,
        sum(ends.sign)
    FROM written
    CROSS JOIN LATERAL (VALUES (written.valid_from, 1), (written.valid_to, -1)) AS ends (at, sign)
    WHERE ends.at IS NOT null AND written.reason_code NOT IN ('removed_or_invisible', 'test_disabled')
    GROUP BY written.workspace, day, written.test_id, written.severity, written.status
    ON CONFLICT (workspace, day, test_id, severity, status) DO UPDATE
        SET subjects = moves.subjects + excluded.subjects;
    IF tg_op = 'UPDATE' THEN
        INSERT INTO integration.history_moves AS moves (workspace, day, test_id, severity, status, subjects)
        SELECT
            stood.workspace,
            (ends.at AT TIME ZONE 'UTC')::date AS day,
            stood.test_id,
            stood.severity,
            stood.status,
            -sum(ends.sign)
        FROM stood
        CROSS JOIN LATERAL (VALUES (stood.valid_from, 1), (stood.valid_to, -1)) AS ends (at, sign)
        WHERE ends.at IS NOT null AND stood.reason_code NOT IN ('removed_or_invisible', 'test_disabled')
        GROUP BY stood.workspace, day, stood.test_id, stood.severity, stood.status
        ON CONFLICT (workspace, day, test_id, severity, status) DO UPDATE
            SET subjects = moves.subjects + excluded.subjects;
    END IF;
    RETURN null;
END
$count$;

CREATE TRIGGER new_intervals_are_counted
AFTER INSERT ON compliance.result_history REFERENCING NEW TABLE AS written
FOR EACH STATEMENT EXECUTE FUNCTION integration.count_history();

CREATE TRIGGER ended_intervals_are_counted
AFTER UPDATE ON compliance.result_history REFERENCING OLD TABLE AS stood NEW TABLE AS written
FOR EACH STATEMENT EXECUTE FUNCTION integration.count_history();
