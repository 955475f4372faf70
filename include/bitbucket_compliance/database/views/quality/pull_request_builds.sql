-- Purpose: builds of merged pull requests of the workspace that a gate looks at.

CREATE VIEW quality.pull_request_builds AS
SELECT
    *,
    repository_id || '#' || pull_request_id AS pull_request_key
FROM staging.pull_request_builds
WHERE workspace = current_setting('compliance.workspace');
