-- Purpose: how the newest call of each resource a verdict rests on had ended when it was reached, as far as calls are
-- kept.

SELECT DISTINCT ON (calls.resource)
    calls.resource,
    calls.outcome,
    calls.http_status,
    calls.message,
    calls.items,
    calls.complete,
    calls.fetched_at
FROM landing.calls AS calls
WHERE
    calls.workspace = %(workspace)s
    AND calls.resource = any(%(resources)s::text[])
    AND calls.repository_id IN (%(subject_id)s, '')
    AND calls.fetched_at <= %(moment)s::timestamptz
ORDER BY calls.resource ASC, calls.fetched_at DESC, calls.outcome ASC;
