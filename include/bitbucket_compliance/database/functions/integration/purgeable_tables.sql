-- Purpose: where a workspace's data stands that was read of Bitbucket or judged by it: the tables that a purge empties
-- of its rows; nothing that people declared, no audit trail.

CREATE FUNCTION integration.purgeable_tables() RETURNS SETOF regclass
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $tables$
    SELECT relations.oid::regclass
    FROM pg_class AS relations
    INNER JOIN pg_namespace AS schemas ON relations.relnamespace = schemas.oid
    INNER JOIN pg_attribute AS columns ON relations.oid = columns.attrelid AND columns.attname = 'workspace'
    WHERE
        relations.relkind = 'r'
        AND (
            schemas.nspname IN ('landing', 'staging', 'judged', 'quality', 'compliance')
            OR (
                schemas.nspname = 'integration'
                AND relations.relname IN (
                    'runs', 'run_steps', 'publications', 'history_moves', 'webhook_events', 'webhook_gaps', 'pushes'
                )
            )
        )
    ORDER BY schemas.nspname, relations.relname
$tables$;
