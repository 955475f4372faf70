-- Purpose: what could be read of the workspace that a gate looks at.

CREATE VIEW quality.coverage AS
SELECT
    workspace,
    repository_id,
    resource,
    outcome,
    message,
    http_status,
    complete,
    run_id,
    data_as_of,
    repository_id || '#' || resource AS coverage_key
FROM staging.coverage
WHERE workspace = current_setting('compliance.workspace');
