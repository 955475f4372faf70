-- Purpose: what other workspaces take of the same budget: in a day, by the newest plan of each, and until their runs
-- that are at work now are done.

WITH newest AS (
    SELECT DISTINCT ON (runs.workspace)
        runs.workspace,
        runs.run_id,
        (runs.plan ->> 'daily_requests')::integer AS daily_requests,
        (runs.plan ->> 'requests')::integer AS requests
    FROM integration.runs AS runs
    WHERE
        runs.workspace = any(%(workspaces)s::text[])
        AND runs.workspace <> %(workspace)s
        AND runs.kind = 'polling'
        AND runs.plan IS NOT null
    ORDER BY runs.workspace ASC, runs.started_at DESC
),

spent AS (
    SELECT
        newest.workspace,
        greatest(newest.requests - coalesce(sum(calls.requests), 0), 0) AS requests_left
    FROM newest
    INNER JOIN integration.workspace_leases AS leases
        ON newest.workspace = leases.workspace AND newest.run_id = leases.run_id
    LEFT JOIN landing.calls AS calls ON newest.workspace = calls.workspace AND newest.run_id = calls.run_id
    GROUP BY newest.workspace, newest.requests
)

SELECT
    coalesce(sum(newest.daily_requests), 0)::integer AS daily_requests,
    coalesce(sum(spent.requests_left), 0)::integer AS requests_left
FROM newest
LEFT JOIN spent ON newest.workspace = spent.workspace;
