-- Purpose: by workspace, in the connection's order, what was learned by the newest run that got past preflight: role,
-- what was found, what reading it takes; and whether a run ever published all of it.

WITH workspaces AS (
    SELECT
        named.workspace,
        named.place
    FROM unnest(%(workspaces)s::text[]) WITH ORDINALITY AS named (workspace, place)
),

past_preflight AS (
    SELECT DISTINCT ON (runs.workspace)
        runs.workspace,
        runs.started_at,
        runs.identity_role,
        runs.scopes_granted
    FROM compliance.runs AS runs
    WHERE runs.workspace = any(%(workspaces)s::text[]) AND runs.bases_available IS NOT null
    ORDER BY runs.workspace ASC, runs.started_at DESC
),

planned AS (
    SELECT DISTINCT ON (runs.workspace)
        runs.workspace,
        runs.repositories,
        runs.plan
    FROM compliance.runs AS runs
    WHERE runs.workspace = any(%(workspaces)s::text[]) AND runs.plan IS NOT null AND runs.kind = 'polling'
    ORDER BY runs.workspace ASC, runs.started_at DESC
),

newest AS (
    SELECT DISTINCT ON (runs.workspace)
        runs.workspace,
        runs.run_id,
        runs.status
    FROM compliance.runs AS runs
    WHERE runs.workspace = any(%(workspaces)s::text[]) AND runs.kind = 'polling'
    ORDER BY runs.workspace ASC, runs.started_at DESC
)

SELECT
    workspaces.workspace,
    past_preflight.started_at,
    past_preflight.identity_role,
    past_preflight.scopes_granted,
    planned.repositories,
    planned.plan,
    newest.run_id,
    newest.status,
    exists(
        SELECT 1
        FROM compliance.runs AS runs
        WHERE runs.workspace = workspaces.workspace AND runs.status = 'published' AND runs.kind = 'polling'
    ) AS is_published
FROM workspaces
LEFT JOIN past_preflight ON workspaces.workspace = past_preflight.workspace
LEFT JOIN planned ON workspaces.workspace = planned.workspace
LEFT JOIN newest ON workspaces.workspace = newest.workspace
ORDER BY workspaces.place;
