-- Purpose: record the outcome of every call of the run; a call that was made again replaces its failure.

INSERT INTO landing.calls AS calls (
    workspace,
    run_id,
    resource,
    repository_id,
    item_key,
    outcome,
    http_status,
    message,
    requests,
    items,
    listing_size,
    repeated_items,
    incomplete_because,
    reread,
    fetched_at
)
SELECT DISTINCT ON (incoming.resource, incoming.repository_id, incoming.item_key)
    %(workspace)s,
    %(run_id)s,
    incoming.resource,
    incoming.repository_id,
    incoming.item_key,
    incoming.outcome,
    incoming.http_status,
    incoming.message,
    incoming.requests,
    incoming.items,
    incoming.listing_size,
    incoming.repeated_items,
    incoming.incomplete_because,
    incoming.reread,
    incoming.fetched_at
FROM incoming_calls AS incoming
ORDER BY
    incoming.resource ASC,
    incoming.repository_id ASC,
    incoming.item_key ASC,
    incoming.fetched_at DESC
ON CONFLICT (workspace, run_id, resource, repository_id, item_key) DO UPDATE
    SET
        outcome = excluded.outcome,
        http_status = excluded.http_status,
        message = excluded.message,
        requests = calls.requests + excluded.requests,
        items = excluded.items,
        listing_size = excluded.listing_size,
        repeated_items = excluded.repeated_items,
        incomplete_because = excluded.incomplete_because,
        reread = excluded.reread,
        fetched_at = excluded.fetched_at;
