-- Is the data fresh and complete?
-- Purpose: the newest whole runs of the workspace (those that only answered events apart), what they read and what they
-- could not, and how much is stale now.

SELECT
    runs.started_at::date AS run_on,
    runs.status,
    runs.repositories,
    runs.repositories_read,
    runs.repositories_left,
    calls.answered,
    calls.not_answered,
    (
        SELECT count(*) FILTER (WHERE results.is_stale) FROM compliance.current_results AS results
        WHERE results.workspace = runs.workspace AND results.run_id = runs.run_id
    ) AS verdicts_stale_now
FROM compliance.runs AS runs
LEFT JOIN LATERAL (
    SELECT
        sum(outcomes.value::integer) FILTER (WHERE outcomes.key = 'ok') AS answered,
        string_agg(
            outcomes.value || ' ' || resources.key || ' ' || outcomes.key, ', ' ORDER BY resources.key, outcomes.key
        ) FILTER (WHERE outcomes.key <> 'ok') AS not_answered
    FROM jsonb_each(runs.coverage) AS resources (key, value)
    CROSS JOIN LATERAL jsonb_each_text(resources.value) AS outcomes (key, value)
) AS calls ON true
WHERE runs.workspace = 'demo-workspace' AND runs.kind = 'polling'
ORDER BY runs.started_at DESC
LIMIT 5;
