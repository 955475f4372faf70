-- Purpose: delete what is noted of changes that people were told of before an instant, 400 days ago or earlier, and
-- that would be told no more: the change is history that went, or an alert that is over.

CREATE FUNCTION integration.forget_told(of_workspace text, told_before timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $forget$
DECLARE
    deleted bigint;
BEGIN
    IF told_before > clock_timestamp() - interval '400 days' THEN
        RAISE EXCEPTION 'what people were told is kept for 400 days at least' USING ERRCODE = 'insufficient_privilege';
    END IF;
    WITH standing AS MATERIALIZED (
        SELECT changes.change_key
        FROM integration.notifiable_changes AS changes
        WHERE changes.workspace = of_workspace
    ),

    old AS (
        SELECT
            sent.conn_id,
            sent.change_key
        FROM integration.notifications_sent AS sent
        LEFT JOIN integration.notifications_sent AS ended
            ON sent.conn_id = ended.conn_id AND ended.change_key = 'ended|' || sent.change_key
        LEFT JOIN standing ON sent.change_key = standing.change_key
        WHERE
            sent.workspace = of_workspace
            AND sent.noted_at < told_before
            AND NOT starts_with(sent.change_key, 'start|')
            AND CASE
                WHEN starts_with(sent.change_key, 'alert|') THEN ended.change_key IS NOT null
                ELSE standing.change_key IS null
            END
    )

    DELETE FROM integration.notifications_sent AS sent
    USING old
    WHERE sent.conn_id = old.conn_id AND sent.change_key = old.change_key;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    RETURN deleted;
END
$forget$;

GRANT EXECUTE ON FUNCTION integration.forget_told(text, timestamptz) TO compliance_pipeline;
