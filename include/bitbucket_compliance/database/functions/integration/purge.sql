-- Purpose: delete what was read of a workspace and judged by it, history included; how many rows. Refused while a run
-- is at work. Nobody's but registry.purge_workspace's to call.

CREATE FUNCTION integration.purge(of_workspace text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $purge$
DECLARE
    one regclass;
    deleted bigint;
    total bigint := 0;
BEGIN
    IF EXISTS (SELECT 1 FROM integration.workspace_leases AS leases WHERE leases.workspace = of_workspace) THEN
        RAISE EXCEPTION 'a run of workspace % is at work', of_workspace USING ERRCODE = 'object_in_use';
    END IF;
    FOR one IN SELECT integration.purgeable_tables() LOOP
        -- The record keeps that they were there.
        INSERT INTO integration.record_rows (workspace, batch, relation, row_key)
        SELECT DISTINCT
            noted.workspace,
            integration.record_batch(of_workspace),
            noted.relation,
            noted.row_key
        FROM integration.record_rows AS noted
        WHERE noted.workspace = of_workspace AND noted.relation = one::text;
        EXECUTE format('DELETE FROM %s WHERE workspace = $1', one) USING of_workspace;
        GET DIAGNOSTICS deleted = ROW_COUNT;
        total := total + deleted;
    END LOOP;
    RETURN total;
END
$purge$;
