-- Purpose: mark the events of the run as answered, but for those whose repository was left to another run.

UPDATE integration.webhook_events AS events
SET handled_at = %(published_at)s
WHERE
    events.workspace = %(workspace)s
    AND events.run_id = %(run_id)s
    AND events.handled_at IS null
    AND NOT EXISTS (
        SELECT 1
        FROM landing.work_items AS items
        WHERE
            items.workspace = events.workspace
            AND items.run_id = events.run_id
            AND items.repository_id = events.repository_id
            AND items.left_over
    );
