-- Purpose: the branching models of the workspace that a gate looks at.

CREATE VIEW quality.branching_models AS
SELECT * FROM staging.branching_models
WHERE workspace = current_setting('compliance.workspace');
