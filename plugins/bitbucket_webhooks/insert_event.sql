-- Purpose: take an event in, with what it did to a main branch, unless it came before: the same request, or the same
-- body as long as its event is kept. Only the body is signed: who replays one can write any other header, and has an
-- event of it no second time.

WITH event AS (
    INSERT INTO integration.webhook_events (
        conn_id, workspace, hook_id, event_key, request_id, body_hash, repository_id
    )
    VALUES (
        %(conn_id)s,
        %(workspace)s,
        %(hook_id)s,
        %(event_key)s,
        %(request_id)s,
        %(body_hash)s,
        %(repository_id)s
    )
    ON CONFLICT DO NOTHING
    RETURNING event_id
),

pushed AS (
    INSERT INTO integration.pushes (
        conn_id, workspace, repository_id, body_hash, place, old_hash, new_hash, forced, removed,
        pushed_by, pushed_by_type
    )
    SELECT
        %(conn_id)s,
        %(workspace)s,
        %(repository_id)s,
        %(body_hash)s,
        changes.place,
        changes.old_hash,
        changes.new_hash,
        changes.forced,
        changes.removed,
        changes.pushed_by,
        changes.pushed_by_type
    FROM event
    CROSS JOIN
        jsonb_to_recordset(%(changes)s) AS changes (
            place integer, old_hash text, new_hash text, forced boolean, removed boolean,
            pushed_by text, pushed_by_type text
        )
    ON CONFLICT DO NOTHING
)

SELECT event.event_id FROM event;
