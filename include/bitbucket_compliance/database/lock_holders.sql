-- Purpose: the sessions that have one of the pipeline's tables or views locked, or locked for writing, the longest
-- transaction first.

SELECT
    sessions.pid,
    sessions.usename AS login,
    coalesce(sessions.application_name, '') AS application_name,
    coalesce(sessions.state, 'unknown') AS state,
    sessions.xact_start AS since
FROM pg_stat_activity AS sessions
WHERE
    sessions.pid <> pg_backend_pid()
    AND EXISTS (
        SELECT 1
        FROM pg_locks AS locks
        INNER JOIN pg_class AS relations ON locks.relation = relations.oid
        INNER JOIN pg_namespace AS namespaces ON relations.relnamespace = namespaces.oid
        WHERE
            locks.pid = sessions.pid
            AND locks.granted
            AND (NOT %(writers_alone)s OR locks.mode <> 'AccessShareLock')
            AND pg_get_userbyid(namespaces.nspowner) = 'compliance_owner'
    )
ORDER BY sessions.xact_start ASC NULLS LAST, sessions.pid ASC
LIMIT 3;
