-- Purpose: what the tasks of a run need to know of it.

SELECT
    runs.workspace,
    runs.run_id,
    runs.started_at,
    runs.full_refresh,
    policies.body AS policy,
    runs.policy_version,
    runs.scopes_granted,
    runs.identity_role,
    runs.kind = 'events' AS incremental,
    runs.judges_all,
    workspaces.workspace_id
FROM integration.runs AS runs
INNER JOIN registry.policy_versions AS policies ON runs.policy_version = policies.policy_version
LEFT JOIN staging.workspaces AS workspaces ON runs.workspace = workspaces.workspace
WHERE runs.run_id = %(run_id)s AND runs.workspace = %(workspace)s;
