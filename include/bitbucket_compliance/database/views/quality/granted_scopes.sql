-- Purpose: the scopes granted for the workspace that a gate looks at.

CREATE VIEW quality.granted_scopes AS
SELECT * FROM staging.granted_scopes
WHERE workspace = current_setting('compliance.workspace');
