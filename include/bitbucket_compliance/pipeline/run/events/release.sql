-- Purpose: at a run's end, give back the events it did not answer, and let those that came meanwhile ask for a run.
-- After a run that failed they wait longer each time; where requests were short, a quarter of an hour.

WITH this_run AS (
    SELECT
        runs.run_id,
        runs.workspace,
        runs.status
    FROM integration.runs AS runs
    WHERE runs.run_id = %(run_id)s AND runs.workspace = %(workspace)s
)

UPDATE integration.webhook_events AS events
SET
    announced_at = null,
    run_id = CASE WHEN events.run_id = %(run_id)s THEN null ELSE events.run_id END,
    waits_until = CASE
        WHEN events.run_id IS DISTINCT FROM %(run_id)s THEN events.waits_until
        WHEN this_run.status = 'published' THEN clock_timestamp() + interval '15 minutes'
        ELSE clock_timestamp() + least(interval '1 minute' * power(2, least(events.tries, 10)), interval '1 hour')
    END
FROM this_run
WHERE events.workspace = this_run.workspace AND events.handled_at IS null;
