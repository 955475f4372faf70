-- Purpose: the rules of the workspace that a gate looks at.

CREATE VIEW quality.branch_restrictions AS
SELECT
    *,
    repository_id || '#' || restriction_id AS restriction_key
FROM staging.branch_restrictions
WHERE workspace = current_setting('compliance.workspace');
