-- Purpose: let the events that no request is left for wait; a polling run answers them meanwhile.

UPDATE integration.webhook_events AS events
SET waits_until = clock_timestamp() + make_interval(secs => %(seconds)s), announced_at = null
WHERE
    events.workspace = %(workspace)s
    AND events.handled_at IS null
    AND events.run_id IS DISTINCT FROM %(run_id)s
    AND (events.waits_until IS null OR events.waits_until <= clock_timestamp());
