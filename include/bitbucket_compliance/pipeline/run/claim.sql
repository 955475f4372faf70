-- Purpose: let the run answer the events of these repositories ("": those about none) that came up to now. Whoever took
-- them up before was never published: only one run of a workspace is at work.

UPDATE integration.webhook_events AS events
SET run_id = %(run_id)s, tries = events.tries + 1
WHERE
    events.workspace = %(workspace)s
    AND events.handled_at IS null
    AND (events.waits_until IS null OR events.waits_until <= clock_timestamp())
    AND coalesce(events.repository_id, '') = any(%(repository_ids)s);
