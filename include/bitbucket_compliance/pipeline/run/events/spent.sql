-- Purpose: requests that runs for events sent in the last hour, this one included.

SELECT coalesce(sum(calls.requests), 0)::integer AS requests
FROM landing.calls AS calls
INNER JOIN integration.runs AS runs ON calls.run_id = runs.run_id
WHERE
    runs.kind = 'events'
    AND runs.started_at > clock_timestamp() - interval '1 day'
    AND calls.workspace = runs.workspace
    AND calls.fetched_at > clock_timestamp() - interval '1 hour';
