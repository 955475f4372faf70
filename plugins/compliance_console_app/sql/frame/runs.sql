-- Purpose: how the newest run of a workspace that is over ended, when everything in it was last read and published, and
-- which events wait.

WITH newest AS (
    SELECT
        runs.run_id,
        runs.status,
        runs.error,
        runs.finished_at
    FROM compliance.runs AS runs
    WHERE runs.workspace = %(workspace)s AND runs.status IN ('published', 'failed', 'gate_failed')
    ORDER BY runs.started_at DESC
    LIMIT 1
),

events AS (
    SELECT
        count(*) AS waiting,
        min(events.received_at) AS waiting_since
    FROM integration.webhook_events AS events
    WHERE events.workspace = %(workspace)s AND events.handled_at IS null
),

published AS (
    SELECT
        max(runs.finished_at) FILTER (WHERE runs.kind = 'polling') AS published_at,
        max(runs.finished_at) AS anything_at
    FROM compliance.runs AS runs
    WHERE runs.workspace = %(workspace)s AND runs.status = 'published'
)

SELECT
    newest.run_id,
    newest.status,
    newest.error,
    newest.finished_at,
    published.published_at,
    published.anything_at,
    events.waiting,
    events.waiting_since,
    (
        SELECT min(runs.finished_at)
        FROM compliance.runs AS runs
        WHERE
            runs.workspace = %(workspace)s
            AND runs.status IN ('failed', 'gate_failed')
            AND runs.finished_at > coalesce(published.anything_at, '-infinity')
    ) AS failing_since
FROM published
CROSS JOIN events
LEFT JOIN newest ON true;
