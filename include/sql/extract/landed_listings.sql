-- Purpose: the calls on the workspace that this run has landed, so that a further try does not make them again.

SELECT
    calls.resource,
    calls.item_key,
    calls.outcome
FROM landing.calls AS calls
WHERE
    calls.workspace = %(workspace)s
    AND calls.run_id = %(run_id)s
    AND calls.repository_id = ''
    AND calls.outcome <> 'failed';
