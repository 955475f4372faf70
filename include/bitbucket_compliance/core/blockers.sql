-- Purpose: the sessions that keep another one waiting for a lock, the longest transaction first.

SELECT
    sessions.pid,
    sessions.usename AS login,
    coalesce(sessions.application_name, '') AS application_name,
    coalesce(sessions.state, 'unknown') AS state,
    sessions.xact_start AS since
FROM pg_stat_activity AS sessions
WHERE sessions.pid = any(pg_blocking_pids(%(pid)s::integer))
ORDER BY sessions.xact_start ASC NULLS LAST, sessions.pid ASC
LIMIT 3;
