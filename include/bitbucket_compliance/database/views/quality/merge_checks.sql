-- Purpose: the merge checks that were seen last of the workspace that a gate looks at.

CREATE VIEW quality.merge_checks AS
SELECT * FROM staging.merge_checks
WHERE workspace = current_setting('compliance.workspace');
