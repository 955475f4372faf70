-- Purpose: the content of a policy version.

SELECT policies.body
FROM registry.policy_versions AS policies
WHERE policies.policy_version = %(policy_version)s;
