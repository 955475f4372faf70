-- Purpose: one policy by the hash of its content, and which published runs of which workspaces were judged by it.

SELECT
    versions.policy_version,
    versions.body,
    versions.first_used_at,
    coalesce(
        (
            SELECT jsonb_agg(used ORDER BY used.last DESC)
            FROM (
                SELECT
                    runs.workspace,
                    count(*) AS runs,
                    min(runs.started_at) AS first,
                    max(runs.started_at) AS last
                FROM compliance.runs AS runs
                WHERE runs.policy_version = versions.policy_version
                GROUP BY runs.workspace
            ) AS used
        ),
        '[]'
    ) AS used
FROM registry.policy_versions AS versions
WHERE versions.policy_version = %(version)s::text;
