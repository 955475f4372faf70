-- Purpose: keep every body ever seen once, and say when and by which run it was seen last.

INSERT INTO landing.objects AS objects (
    workspace, resource, object_key, repository_id, body_hash, body, first_fetched_at, fetched_at, run_id
)
SELECT DISTINCT ON (incoming.resource, incoming.object_key)
    %(workspace)s,
    incoming.resource,
    incoming.object_key,
    incoming.repository_id,
    incoming.body_hash,
    incoming.body,
    incoming.fetched_at AS first_fetched_at,
    incoming.fetched_at,
    %(run_id)s
FROM incoming_objects AS incoming
ORDER BY incoming.resource ASC, incoming.object_key ASC, incoming.fetched_at DESC
ON CONFLICT (workspace, resource, object_key, body_hash) DO UPDATE
    SET fetched_at = excluded.fetched_at, run_id = excluded.run_id;
