-- Purpose: what could be read of each subject, and why not; the worst outcome of a resource stands.

SELECT DISTINCT ON (calls.repository_id, calls.resource)
    calls.workspace,
    calls.repository_id,
    calls.resource,
    calls.outcome,
    calls.message,
    calls.http_status,
    calls.complete,
    calls.run_id,
    calls.fetched_at AS data_as_of,
    CASE WHEN calls.complete THEN calls.fetched_at ELSE known.whole_at END AS whole_at
FROM landing.calls AS calls
LEFT JOIN staging.coverage AS known
    ON
        calls.workspace = known.workspace
        AND calls.repository_id = known.repository_id
        AND calls.resource = known.resource
WHERE
    calls.workspace = %(workspace)s
    AND calls.run_id = %(run_id)s
    -- Where a repository could not be asked for by itself, the listing was read instead.
    AND calls.resource <> %(in_place_of_listing)s
ORDER BY
    calls.repository_id ASC,
    calls.resource ASC,
    array_position(
        ARRAY['failed', 'not_found', 'permission_missing', 'scope_missing'], calls.outcome
    ) ASC NULLS LAST,
    calls.fetched_at ASC;
