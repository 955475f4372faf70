-- Purpose: how often repositories changed in the last two days, and the hours for which that was looked at: for each of
-- them since its first reading, or since the oldest of these runs.

WITH recent AS (
    SELECT
        items.repository_id,
        items.cause,
        runs.started_at
    FROM landing.work_items AS items
    INNER JOIN integration.runs AS runs ON items.run_id = runs.run_id
    WHERE
        items.workspace = %(workspace)s
        AND NOT items.left_over
        AND runs.started_at >= %(as_of)s::timestamptz - interval '2 days'
),

changes AS (
    SELECT
        recent.repository_id,
        count(*) FILTER (WHERE recent.cause IN ('changed', 'event')) AS changed,
        min(recent.started_at) FILTER (WHERE recent.cause = 'never_read') AS first_read_at
    FROM recent
    GROUP BY recent.repository_id
),

looked_at AS (
    SELECT
        coalesce(changes.changed, 0) AS changed,
        extract(
            EPOCH FROM %(as_of)s::timestamptz
            - coalesce(changes.first_read_at, (SELECT min(recent.started_at) FROM recent))
        ) / 3600 AS hours
    FROM landing.repository_reads AS reads
    LEFT JOIN changes ON reads.repository_id = changes.repository_id
    WHERE reads.workspace = %(workspace)s
)

SELECT
    coalesce(sum(looked_at.changed), 0)::bigint AS changed,
    coalesce(sum(looked_at.hours), 0)::double precision AS hours
FROM looked_at;
