-- Purpose: the workspace that a gate looks at.

CREATE VIEW quality.workspaces AS
SELECT * FROM staging.workspaces
WHERE workspace = current_setting('compliance.workspace');
