-- Purpose: give everything that is kept of a workspace the slug that Bitbucket calls it by today, what people declared
-- for it and its history included, and note the renaming. Only for a workspace that was read, known by its uuid, and
-- only to a slug under which no other one was read. The caller holds the leases of both slugs.

CREATE FUNCTION integration.rename_workspace(of_id text, to_slug text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $rename$
DECLARE
    known text;
    one regclass;
BEGIN
    SELECT workspaces.workspace INTO STRICT known
    FROM staging.workspaces AS workspaces
    WHERE lower(workspaces.workspace_id) = lower(of_id);
    IF known = to_slug THEN
        RETURN;
    END IF;
    IF EXISTS (SELECT 1 FROM staging.workspaces AS workspaces WHERE workspaces.workspace = to_slug) THEN
        RAISE EXCEPTION 'another workspace was read as %', to_slug USING ERRCODE = 'unique_violation';
    END IF;
    -- Webhooks that were registered under the new slug already take the place of those under the old one.
    DELETE FROM integration.webhooks AS old
    USING integration.webhooks AS renamed
    WHERE
        old.workspace = known
        AND renamed.workspace = to_slug
        AND old.conn_id = renamed.conn_id
        AND old.repository_id = renamed.repository_id;
    FOR one IN
        SELECT relations.oid::regclass
        FROM pg_class AS relations
        INNER JOIN pg_namespace AS schemas ON relations.relnamespace = schemas.oid
        INNER JOIN pg_attribute AS columns ON relations.oid = columns.attrelid AND columns.attname = 'workspace'
        WHERE
            relations.relkind = 'r'
            AND schemas.nspname IN ('landing', 'staging', 'judged', 'registry', 'integration', 'quality', 'compliance')
            AND relations.oid <> 'integration.workspace_leases'::regclass
        ORDER BY schemas.nspname, relations.relname
    LOOP
        -- Rows of histories and of what people declared are never changed otherwise: triggers see to that.
        EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', one);
        EXECUTE format('UPDATE %s SET workspace = $2 WHERE workspace = $1', one) USING known, to_slug;
        EXECUTE format('ALTER TABLE %s ENABLE TRIGGER USER', one);
    END LOOP;
    INSERT INTO integration.workspace_renamings (workspace_id, old_slug, new_slug) VALUES (of_id, known, to_slug);
END
$rename$;

GRANT EXECUTE ON FUNCTION integration.rename_workspace(text, text) TO compliance_pipeline;
