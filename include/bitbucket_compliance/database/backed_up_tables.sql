-- Purpose: the tables of the pipeline that a backup holds, their columns in order but for those that are computed, and
-- which other tables they refer to.

SELECT
    schemas.nspname || '.' || tables.relname AS name,
    (
        SELECT array_agg(columns.attname::text ORDER BY columns.attnum)
        FROM pg_attribute AS columns
        WHERE
            columns.attrelid = tables.oid
            AND columns.attnum > 0
            AND NOT columns.attisdropped
            AND columns.attgenerated = ''
    ) AS columns,
    (
        SELECT coalesce(array_agg(DISTINCT other_schemas.nspname || '.' || others.relname), '{}')
        FROM pg_constraint AS keys
        INNER JOIN pg_class AS others ON keys.confrelid = others.oid
        INNER JOIN pg_namespace AS other_schemas ON others.relnamespace = other_schemas.oid
        WHERE keys.contype = 'f' AND keys.conrelid = tables.oid AND keys.confrelid <> tables.oid
    ) AS needs
FROM pg_class AS tables
INNER JOIN pg_namespace AS schemas ON tables.relnamespace = schemas.oid
WHERE
    tables.relkind = 'r'
    AND schemas.nspname IN ('landing', 'staging', 'judged', 'registry', 'integration', 'quality', 'compliance')
    AND schemas.nspname || '.' || tables.relname <> all(%(left_out)s::text[])
ORDER BY name;
