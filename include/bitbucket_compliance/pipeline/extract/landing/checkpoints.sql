-- Purpose: where calls of a run stopped that were not brought to an end since.

SELECT
    checkpoints.resource,
    checkpoints.repository_id,
    checkpoints.item_key,
    checkpoints.next_link,
    checkpoints.bodies,
    checkpoints.requests,
    checkpoints.listing_size
FROM landing.checkpoints AS checkpoints
LEFT JOIN landing.calls AS calls
    ON
        checkpoints.workspace = calls.workspace
        AND checkpoints.run_id = calls.run_id
        AND checkpoints.resource = calls.resource
        AND checkpoints.repository_id = calls.repository_id
        AND checkpoints.item_key = calls.item_key
WHERE
    checkpoints.workspace = %(workspace)s
    AND checkpoints.run_id = %(run_id)s
    AND calls.run_id IS null;
