-- Purpose: take an event in, unless it came before: the same request, or the same body as long as its event is kept.
-- Only the body is signed: who replays one can write any other header, and has an event of it no second time.

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
RETURNING event_id;
