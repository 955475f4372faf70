-- Purpose: why repositories were read again in the last two days: because they changed, or because it was time.

SELECT
    count(*) FILTER (WHERE items.cause = 'changed') AS changed,
    count(*) FILTER (WHERE items.cause IN ('changed', 'stale')) AS again
FROM landing.work_items AS items
INNER JOIN integration.runs AS runs ON items.run_id = runs.run_id
WHERE
    items.workspace = %(workspace)s
    AND NOT items.left_over
    AND runs.started_at >= %(as_of)s::timestamptz - interval '2 days';
