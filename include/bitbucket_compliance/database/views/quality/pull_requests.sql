-- Purpose: pull requests of the workspace that a gate looks at.

CREATE VIEW quality.pull_requests AS
SELECT
    *,
    repository_id || '#' || pull_request_id AS pull_request_key
FROM staging.pull_requests
WHERE workspace = current_setting('compliance.workspace');
