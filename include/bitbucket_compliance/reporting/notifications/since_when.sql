-- Purpose: what was there before a connection is first used for a workspace: everything up to the start of its newest
-- whole run, so that the first message tells what that run changed; everything until now where it is the first run. No
-- row where the connection was used before, or nothing was published yet.

SELECT
    CASE
        WHEN count(*) > 1 THEN (array_agg(runs.started_at ORDER BY runs.finished_at DESC))[1]
        ELSE now()
    END AS moment
FROM compliance.runs AS runs
WHERE
    runs.workspace = %(workspace)s
    AND runs.status = 'published'
    AND runs.kind = 'polling'
    AND NOT EXISTS (
        SELECT 1
        FROM integration.notifications_sent AS sent
        WHERE sent.conn_id = %(conn_id)s AND sent.change_key = 'start|' || %(workspace)s
    )
HAVING count(*) > 0;
