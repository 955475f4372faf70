-- Purpose: the calls on the workspace, and those for single repositories themselves, that this run has landed, so that
-- a further try does not make them again.

SELECT
    calls.resource,
    calls.repository_id,
    calls.item_key,
    calls.outcome
FROM landing.calls AS calls
WHERE
    calls.workspace = %(workspace)s
    AND calls.run_id = %(run_id)s
    AND (calls.repository_id = '' OR calls.resource = %(repository)s)
    AND calls.outcome <> 'failed';
