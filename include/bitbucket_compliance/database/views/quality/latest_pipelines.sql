-- Purpose: the newest pipeline of each repository of the workspace that a gate looks at.

CREATE VIEW quality.latest_pipelines AS
SELECT * FROM staging.latest_pipelines
WHERE workspace = current_setting('compliance.workspace');
