-- Purpose: the newest run of the workspace that began after this one, by the clock of the database, and got as far as
-- staging or was published.

SELECT
    later.run_id,
    later.status,
    later.started_at
FROM integration.runs AS this
INNER JOIN integration.runs AS later ON this.workspace = later.workspace AND this.opened_at < later.opened_at
WHERE this.run_id = %(run_id)s AND (later.staged_at IS NOT null OR later.status = 'published')
ORDER BY later.opened_at DESC
LIMIT 1;
