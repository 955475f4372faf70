-- Purpose: where a run stands, what it has counted so far of what it plans, and until when it waits for requests.

SELECT
    runs.workspace,
    runs.status,
    runs.kind,
    runs.error,
    runs.started_at,
    runs.finished_at,
    leases.waits_until,
    coalesce(runs.repositories, counts.repositories) AS repositories,
    counts.members,
    counts.repositories_read,
    coalesce(runs.requests_spent, counts.requests) AS requests,
    runs.plan
FROM compliance.runs AS runs
LEFT JOIN integration.run_counts AS counts ON runs.run_id = counts.run_id
LEFT JOIN integration.workspace_leases AS leases
    ON runs.workspace = leases.workspace AND runs.run_id = leases.run_id
WHERE runs.run_id = %(run_id)s;
