-- Purpose: delete refreshes of tokens that went as they should before an instant, 30 days ago or earlier, from what
-- happened to connections; what people did and what went wrong stays.

CREATE FUNCTION integration.forget_refreshes(refreshed_before timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $forget$
DECLARE
    deleted bigint;
BEGIN
    IF refreshed_before > clock_timestamp() - interval '30 days' THEN
        RAISE EXCEPTION 'refreshes of tokens are kept for 30 days at least' USING ERRCODE = 'insufficient_privilege';
    END IF;
    DELETE FROM integration.connection_events AS events
    WHERE events.event IN ('refresh_started', 'refreshed') AND events.at < refreshed_before;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    RETURN deleted;
END
$forget$;

GRANT EXECUTE ON FUNCTION integration.forget_refreshes(timestamptz) TO compliance_pipeline;
