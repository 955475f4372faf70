-- Purpose: the policy that was in force at the end of a period: that of the newest run which began before it.

SELECT
    policies.policy_version,
    policies.thresholds
FROM compliance.runs AS runs
INNER JOIN compliance.policies AS policies ON runs.policy_version = policies.policy_version
WHERE
    runs.workspace = %(workspace)s
    AND runs.started_at < %(ends_at)s
ORDER BY runs.started_at DESC
LIMIT 1;
