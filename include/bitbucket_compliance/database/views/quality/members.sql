-- Purpose: the members of the workspace that a gate looks at.

CREATE VIEW quality.members AS
SELECT * FROM staging.members
WHERE workspace = current_setting('compliance.workspace');
