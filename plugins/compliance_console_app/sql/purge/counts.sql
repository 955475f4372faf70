-- Purpose: the rows that a purge of a workspace would delete, by schema.

SELECT
    purgeable.schema_name,
    sum(purgeable.entries) AS entries
FROM integration.purgeable(%(workspace)s) AS purgeable
GROUP BY purgeable.schema_name
ORDER BY purgeable.schema_name;
