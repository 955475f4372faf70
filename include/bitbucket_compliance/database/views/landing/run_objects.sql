-- Purpose: what the newest answer to each call of a run brought; an answer that was asked for again replaces the one
-- before.

CREATE VIEW landing.run_objects AS
SELECT objects.*
FROM landing.objects AS objects
WHERE
    EXISTS (
        SELECT 1
        FROM landing.calls AS calls
        WHERE
            calls.workspace = objects.workspace
            AND calls.run_id = objects.run_id
            AND calls.resource = objects.resource
            AND calls.repository_id = coalesce(objects.repository_id, '')
            AND calls.outcome = 'ok'
            AND calls.fetched_at = objects.fetched_at
    );
