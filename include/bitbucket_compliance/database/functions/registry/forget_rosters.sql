-- Purpose: delete up to so many lines of rosters that another one took the place of before an instant, 400 days ago or
-- earlier, where a later roster of the same name names the person in the same words; how many went. The import stays
-- with its digest, and the record keeps that the lines were there. The caller seals the record.

CREATE FUNCTION registry.forget_rosters(replaced_before timestamptz, most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $forget$
DECLARE
    deleted bigint;
BEGIN
    IF replaced_before > clock_timestamp() - interval '400 days' THEN
        RAISE EXCEPTION 'rosters are kept for 400 days at least' USING ERRCODE = 'insufficient_privilege';
    END IF;
    WITH standing AS (
        SELECT imports.*
        FROM registry.imports AS imports
        WHERE
            imports.kind = 'roster'
            AND NOT EXISTS (
                SELECT 1 FROM registry.import_withdrawals AS withdrawals
                WHERE withdrawals.import_id = imports.import_id
            )
    ),

    replaced AS (
        SELECT imports.import_id, imports.roster_name
        FROM registry.imports AS imports
        WHERE
            imports.kind = 'roster'
            AND EXISTS (
                SELECT 1 FROM standing
                WHERE
                    standing.roster_name = imports.roster_name
                    AND standing.import_id > imports.import_id
                    AND standing.imported_at < replaced_before
            )
    ),

    old AS MATERIALIZED (
        SELECT people.import_id, people.line
        FROM replaced
        INNER JOIN registry.people AS people ON replaced.import_id = people.import_id
        WHERE EXISTS (
            SELECT 1
            FROM standing
            INNER JOIN registry.people AS later ON standing.import_id = later.import_id
            WHERE
                standing.roster_name = replaced.roster_name
                AND later.import_id > people.import_id
                -- This can be looked up in a hash; what may be missing can't.
                AND coalesce(later.email, later.account_id, later.name, '')
                = coalesce(people.email, people.account_id, people.name, '')
                AND later.email IS NOT DISTINCT FROM people.email
                AND later.account_id IS NOT DISTINCT FROM people.account_id
                AND later.name IS NOT DISTINCT FROM people.name
                AND later.other_emails = people.other_emails
        )
        LIMIT most
    ),

    gone AS (
        DELETE FROM registry.people AS people
        USING old
        WHERE people.import_id = old.import_id AND people.line = old.line
        RETURNING people.import_id, people.line
    )

    INSERT INTO integration.record_rows (workspace, batch, relation, row_key)
    SELECT '', integration.record_batch(''), 'registry.people', jsonb_build_array(gone.import_id, gone.line)::text
    FROM gone;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    RETURN deleted;
END
$forget$;

GRANT EXECUTE ON FUNCTION registry.forget_rosters(timestamptz, integer) TO compliance_pipeline;
