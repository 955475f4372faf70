-- Purpose: every column that a reading role may select, with its comment and, in tables, its place in the key.

SELECT
    relations.relname AS relation,
    CASE relations.relkind WHEN 'v' THEN 'view' ELSE 'table' END AS kind,
    coalesce(obj_description(relations.oid, 'pg_class'), '') AS relation_description,
    readers.readers,
    columns.attname AS name,
    format_type(columns.atttypid, columns.atttypmod) AS type,
    coalesce(col_description(relations.oid, columns.attnum), '') AS description,
    columns.attnotnull AS required,
    coalesce(array_position(keys.conkey, columns.attnum), 0) AS key
FROM pg_class AS relations
INNER JOIN pg_attribute AS columns
    ON relations.oid = columns.attrelid AND columns.attnum > 0 AND NOT columns.attisdropped
LEFT JOIN pg_constraint AS keys ON relations.oid = keys.conrelid AND keys.contype = 'p'
CROSS JOIN
    LATERAL (
        SELECT array_agg(roles.role_name ORDER BY roles.place) AS readers
        FROM unnest(%(readers)s::text[]) WITH ORDINALITY AS roles (role_name, place)
        WHERE has_table_privilege(roles.role_name, relations.oid, 'SELECT')
    ) AS readers
WHERE
    relations.relnamespace = %(schema)s::regnamespace
    AND relations.relkind IN ('r', 'v', 'm', 'p')
    AND readers.readers IS NOT null
ORDER BY relations.relname, columns.attnum;
