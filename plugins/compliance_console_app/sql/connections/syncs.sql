-- Purpose: by workspace, in the connection's order, the newest run, the newest that published all of it, and when
-- events were last answered.

WITH workspaces AS (
    SELECT
        named.workspace,
        named.place
    FROM unnest(%(workspaces)s::text[]) WITH ORDINALITY AS named (workspace, place)
),

newest AS (
    SELECT DISTINCT ON (runs.workspace)
        runs.workspace,
        runs.status,
        runs.error
    FROM compliance.runs AS runs
    WHERE runs.workspace = any(%(workspaces)s::text[])
    ORDER BY runs.workspace ASC, runs.started_at DESC
),

published AS (
    SELECT DISTINCT ON (runs.workspace)
        runs.workspace,
        runs.finished_at,
        runs.repositories,
        runs.requests_spent
    FROM compliance.runs AS runs
    WHERE runs.workspace = any(%(workspaces)s::text[]) AND runs.status = 'published' AND runs.kind = 'polling'
    ORDER BY runs.workspace ASC, runs.started_at DESC
),

answered AS (
    SELECT
        runs.workspace,
        max(runs.finished_at) AS answered_at
    FROM compliance.runs AS runs
    WHERE runs.workspace = any(%(workspaces)s::text[]) AND runs.status = 'published' AND runs.kind = 'events'
    GROUP BY runs.workspace
)

SELECT
    workspaces.workspace,
    newest.status,
    newest.error,
    published.finished_at AS published_at,
    published.repositories,
    published.requests_spent,
    answered.answered_at
FROM workspaces
LEFT JOIN newest ON workspaces.workspace = newest.workspace
LEFT JOIN published ON workspaces.workspace = published.workspace
LEFT JOIN answered ON workspaces.workspace = answered.workspace
ORDER BY workspaces.place;
