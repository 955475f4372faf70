-- Purpose: the listings of a run that were broken off and not read to the end since.

SELECT
    unfinished.resource,
    unfinished.repository_id,
    unfinished.item_key,
    unfinished.next_link,
    unfinished.bodies,
    unfinished.requests
FROM landing.unfinished_listings AS unfinished
LEFT JOIN landing.calls AS calls
    ON
        unfinished.workspace = calls.workspace
        AND unfinished.run_id = calls.run_id
        AND unfinished.resource = calls.resource
        AND unfinished.repository_id = calls.repository_id
        AND unfinished.item_key = calls.item_key
WHERE
    unfinished.workspace = %(workspace)s
    AND unfinished.run_id = %(run_id)s
    AND calls.run_id IS null;
