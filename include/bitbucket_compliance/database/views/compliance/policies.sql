-- Purpose: every version of the policy that a result names.

CREATE VIEW compliance.policies AS
SELECT
    versions.policy_version,
    versions.body -> 'tests' AS tests,
    versions.body -> 'thresholds' AS thresholds,
    versions.body -> 'evidence' AS evidence
FROM registry.policy_versions AS versions;

COMMENT ON VIEW compliance.policies IS 'Every version of the policy that a result names.';
COMMENT ON COLUMN compliance.policies.policy_version IS 'Twelve hexadecimal digits that stand for the content.';
COMMENT ON COLUMN compliance.policies.tests IS 'By test: whether it is enabled, and its severity (jsonb).';
COMMENT ON COLUMN compliance.policies.thresholds IS 'Every threshold (jsonb); docs/policy.md says what they mean.';
COMMENT ON COLUMN compliance.policies.evidence IS 'How evidence comes to count (jsonb).';

GRANT SELECT ON compliance.policies TO compliance_pipeline, compliance_console, compliance_reader;
