-- Purpose: keep where a call stopped: the pages it read, and the link to the next one.

INSERT INTO landing.checkpoints AS checkpoints (
    workspace, run_id, resource, repository_id, item_key, next_link, bodies, requests, listing_size
)
VALUES (
    %(workspace)s,
    %(run_id)s,
    %(resource)s,
    %(repository_id)s,
    %(item_key)s,
    %(next_link)s,
    %(bodies)s::jsonb,
    %(requests)s,
    %(listing_size)s
)
ON CONFLICT (workspace, run_id, resource, repository_id, item_key) DO UPDATE
    SET
        next_link = excluded.next_link,
        bodies = excluded.bodies,
        requests = excluded.requests,
        listing_size = excluded.listing_size;
