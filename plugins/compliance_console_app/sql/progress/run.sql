-- Purpose: where a run stands, and until when it waits for requests.

SELECT
    runs.workspace,
    runs.status,
    runs.error,
    leases.waits_until
FROM compliance.runs AS runs
LEFT JOIN integration.workspace_leases AS leases
    ON runs.workspace = leases.workspace AND runs.run_id = leases.run_id
WHERE runs.run_id = %(run_id)s;
