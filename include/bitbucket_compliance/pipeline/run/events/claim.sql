-- Purpose: let the run answer the events that wait: all of them, or those of these repositories ("": those about none)
-- whose time has come. Whoever claimed them before was never published: only one run of a workspace is at work.

UPDATE integration.webhook_events AS events
SET run_id = %(run_id)s, tries = events.tries + 1
WHERE
    events.workspace = %(workspace)s
    AND events.handled_at IS null
    AND (
        %(repository_ids)s::text[] IS null
        OR (
            coalesce(events.repository_id, '') = any(%(repository_ids)s::text[])
            AND (events.waits_until IS null OR events.waits_until <= clock_timestamp())
        )
    );
