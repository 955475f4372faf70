-- Purpose: the workspace that a gate looks at.

CREATE VIEW quality.workspaces AS
SELECT * FROM staging.workspaces
WHERE workspace = current_setting('compliance.workspace');

COMMENT ON VIEW quality.workspaces IS 'The workspace that a gate looks at.';

GRANT SELECT ON quality.workspaces TO compliance_pipeline;
