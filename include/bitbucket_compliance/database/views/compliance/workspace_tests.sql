-- Purpose: what the policy of each workspace asks of each test, as of its newest publication.

CREATE VIEW compliance.workspace_tests AS
WITH published AS (
    SELECT DISTINCT ON (runs.workspace)
        runs.workspace,
        runs.policy_version
    FROM integration.runs AS runs
    WHERE runs.status = 'published'
    ORDER BY runs.workspace ASC, runs.started_at DESC
)

SELECT
    published.workspace,
    workspaces.workspace_id,
    tests.test_id,
    tests.test_title,
    coalesce(policies.body #>> ARRAY['tests', tests.test_id, 'severity'], tests.severity) AS severity,
    coalesce((policies.body #>> ARRAY['tests', tests.test_id, 'enabled'])::boolean, tests.enabled) AS enabled,
    published.policy_version
FROM published
CROSS JOIN compliance.tests AS tests
LEFT JOIN registry.policy_versions AS policies ON published.policy_version = policies.policy_version
LEFT JOIN staging.workspaces AS workspaces ON published.workspace = workspaces.workspace;

COMMENT ON VIEW compliance.workspace_tests IS
'What the policy of each workspace asks of each test, as of its newest publication.';
COMMENT ON COLUMN compliance.workspace_tests.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.workspace_tests.workspace_id IS
'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';
COMMENT ON COLUMN compliance.workspace_tests.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.workspace_tests.test_title IS 'Title of the test.';
COMMENT ON COLUMN compliance.workspace_tests.severity IS 'critical, high or medium, as the policy says.';
COMMENT ON COLUMN compliance.workspace_tests.enabled IS 'Whether the policy asks for it.';
COMMENT ON COLUMN compliance.workspace_tests.policy_version IS 'The policy; see policies.';

GRANT SELECT ON compliance.workspace_tests TO compliance_pipeline, compliance_console, compliance_reader;
