-- Purpose: let a run that reads all of the workspace answer every event that waits.

UPDATE integration.webhook_events AS events
SET run_id = %(run_id)s, tries = events.tries + 1
WHERE events.workspace = %(workspace)s AND events.handled_at IS null;
