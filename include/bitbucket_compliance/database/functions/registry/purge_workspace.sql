-- Purpose: carry out a purge that one person asked for and another accepted, once, after its export; how many rows
-- went. Refused while a run is at work, and where one began since the export.

CREATE FUNCTION registry.purge_workspace(of_purge uuid) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $purge$
DECLARE
    asked registry.purges;
    newest timestamptz;
    deleted bigint;
BEGIN
    SELECT purges.* INTO asked
    FROM registry.purges AS purges
    INNER JOIN registry.purge_decisions AS decisions ON purges.purge_id = decisions.purge_id
    WHERE purges.purge_id = of_purge AND decisions.decision = 'accepted';
    IF asked.purge_id IS null THEN
        RAISE EXCEPTION 'no purge % was asked for and accepted', of_purge USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT max(runs.started_at) INTO newest FROM integration.runs AS runs WHERE runs.workspace = asked.workspace;
    IF newest IS DISTINCT FROM asked.newest_run_at THEN
        RAISE EXCEPTION 'workspace % was read since its export', asked.workspace
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    deleted := integration.purge(asked.workspace);
    -- Once: its key refuses a second time.
    INSERT INTO registry.purged (purge_id, deleted) VALUES (of_purge, deleted);
    RETURN deleted;
END
$purge$;

GRANT EXECUTE ON FUNCTION registry.purge_workspace(uuid) TO compliance_console;
