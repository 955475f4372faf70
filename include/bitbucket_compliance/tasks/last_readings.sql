-- Purpose: of each workspace the requests that its newest whole run planned (null: none has), and when one published
-- last, in seconds since 1970 (0: none has).

WITH newest AS (
    SELECT DISTINCT ON (runs.workspace)
        runs.workspace,
        (runs.plan ->> 'requests')::integer AS requests
    FROM integration.runs AS runs
    WHERE runs.workspace = any(%(workspaces)s::text[]) AND runs.kind = 'polling' AND runs.plan IS NOT null
    ORDER BY runs.workspace ASC, runs.started_at DESC
),

published AS (
    SELECT
        runs.workspace,
        extract(EPOCH FROM max(runs.finished_at))::bigint AS published
    FROM integration.runs AS runs
    WHERE runs.workspace = any(%(workspaces)s::text[]) AND runs.kind = 'polling' AND runs.status = 'published'
    GROUP BY runs.workspace
)

SELECT
    asked.workspace,
    newest.requests,
    coalesce(published.published, 0) AS published
FROM unnest(%(workspaces)s::text[]) AS asked (workspace)
LEFT JOIN newest ON asked.workspace = newest.workspace
LEFT JOIN published ON asked.workspace = published.workspace;
