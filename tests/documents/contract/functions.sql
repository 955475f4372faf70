-- Purpose: every function that a reading role may call, with its comment.

SELECT
    functions.proname AS name,
    pg_get_function_arguments(functions.oid) AS arguments,
    pg_get_function_result(functions.oid) AS returns,
    coalesce(obj_description(functions.oid, 'pg_proc'), '') AS description,
    readers.readers
FROM pg_proc AS functions
CROSS JOIN
    LATERAL (
        SELECT array_agg(roles.role_name ORDER BY roles.place) AS readers
        FROM unnest(%(readers)s::text[]) WITH ORDINALITY AS roles (role_name, place)
        WHERE has_function_privilege(roles.role_name, functions.oid, 'EXECUTE')
    ) AS readers
WHERE functions.pronamespace = %(schema)s::regnamespace AND readers.readers IS NOT null
ORDER BY functions.proname, arguments;
