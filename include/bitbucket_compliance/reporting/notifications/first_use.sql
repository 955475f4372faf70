-- Purpose: when a connection is first used for a workspace, mark what was there before, so that it is never told as
-- news: everything up to the start of the newest whole run, so that the first message tells what that run changed;
-- everything until now where it is the first run. Nothing where the connection was used before, or nothing was
-- published yet.

WITH beginning AS (
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
    HAVING count(*) > 0
)

INSERT INTO integration.notifications_sent (conn_id, change_key, workspace, occurred_at, told)
SELECT
    %(conn_id)s,
    changes.change_key,
    changes.workspace,
    changes.occurred_at,
    false
FROM integration.notifiable_changes AS changes
INNER JOIN beginning ON changes.occurred_at <= beginning.moment
WHERE changes.workspace = %(workspace)s
UNION ALL
SELECT
    %(conn_id)s,
    'start|' || %(workspace)s,
    %(workspace)s,
    beginning.moment,
    false
FROM beginning
ON CONFLICT (conn_id, change_key) DO NOTHING;
