-- Purpose: the scopes granted for the workspace that a gate looks at.

CREATE VIEW quality.granted_scopes AS
SELECT * FROM staging.granted_scopes
WHERE workspace = current_setting('compliance.workspace');

COMMENT ON VIEW quality.granted_scopes IS 'The scopes granted for the workspace that a gate looks at.';

GRANT SELECT ON quality.granted_scopes TO compliance_pipeline;
