-- Purpose: by workspace, in the connection's order, the newest run and the newest that published.

WITH workspaces AS (
    SELECT
        named.workspace,
        named.place
    FROM unnest(%(workspaces)s::text[]) WITH ORDINALITY AS named (workspace, place)
),

newest AS (
    SELECT DISTINCT ON (runs.workspace)
        runs.workspace,
        runs.run_id,
        runs.status,
        runs.started_at,
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
    WHERE runs.workspace = any(%(workspaces)s::text[]) AND runs.status = 'published'
    ORDER BY runs.workspace ASC, runs.started_at DESC
)

SELECT
    workspaces.workspace,
    newest.run_id,
    newest.status,
    newest.started_at,
    newest.error,
    published.finished_at AS published_at,
    published.repositories,
    published.requests_spent
FROM workspaces
LEFT JOIN newest ON workspaces.workspace = newest.workspace
LEFT JOIN published ON workspaces.workspace = published.workspace
ORDER BY workspaces.place;
