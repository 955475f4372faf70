-- Purpose: take an event in, unless it came before: the same request, or the same body within an hour.

INSERT INTO integration.webhook_events (
    conn_id, workspace, hook_id, event_key, request_id, body_hash, repository_id
)
SELECT
    %(conn_id)s,
    %(workspace)s,
    %(hook_id)s,
    %(event_key)s,
    %(request_id)s,
    %(body_hash)s,
    %(repository_id)s
WHERE
    NOT EXISTS (
        SELECT 1
        FROM integration.webhook_events AS events
        WHERE
            events.conn_id = %(conn_id)s
            AND events.body_hash = %(body_hash)s
            AND events.received_at > clock_timestamp() - interval '1 hour'
    )
ON CONFLICT DO NOTHING
RETURNING event_id;
