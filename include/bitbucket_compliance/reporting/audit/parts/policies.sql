-- Purpose: every version of the policy that was used before the period ended.

SELECT
    versions.policy_version,
    versions.body,
    versions.first_used_at
FROM registry.policy_versions AS versions
WHERE versions.first_used_at < %(ends_at)s
ORDER BY versions.first_used_at, versions.policy_version;
