-- Purpose: the pipeline's tables, which an upgrade keeps to itself until it is done.

SELECT relations.oid::regclass::text AS relation
FROM pg_class AS relations
INNER JOIN pg_namespace AS namespaces ON relations.relnamespace = namespaces.oid
WHERE
    relations.relkind = 'r'
    AND pg_get_userbyid(namespaces.nspowner) = 'compliance_owner'
    AND pg_get_userbyid(relations.relowner) = 'compliance_owner'
ORDER BY relations.oid;
