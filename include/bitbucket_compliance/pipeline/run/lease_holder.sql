-- Purpose: the run that holds a workspace, since when, and whether it shows that it is at work: a task holds the lock,
-- it waits for requests, or it gave a sign of life since another run asked for the workspace.

SELECT
    leases.workspace,
    leases.run_id,
    leases.dag_id,
    leases.renewed_at,
    leases.waits_until,
    coalesce(runs.started_at, leases.renewed_at) AS since,
    (
        leases.waits_until IS NOT null
        OR leases.renewed_at >= %(asked_at)s
        OR NOT pg_try_advisory_xact_lock(hashtextextended('compliance ' || leases.workspace, 0))
    ) AS is_at_work
FROM integration.workspace_leases AS leases
LEFT JOIN integration.runs AS runs ON leases.run_id = runs.run_id
WHERE leases.workspace = %(workspace)s;
