-- Purpose: keep the pages of a listing that was broken off, and the link behind them.

INSERT INTO landing.unfinished_listings AS unfinished (
    workspace, run_id, resource, repository_id, item_key, next_link, bodies, requests
)
VALUES (
    %(workspace)s,
    %(run_id)s,
    %(resource)s,
    %(repository_id)s,
    %(item_key)s,
    %(next_link)s,
    %(bodies)s::jsonb,
    %(requests)s
)
ON CONFLICT (workspace, run_id, resource, repository_id, item_key) DO UPDATE
    SET next_link = excluded.next_link, bodies = excluded.bodies, requests = excluded.requests;
