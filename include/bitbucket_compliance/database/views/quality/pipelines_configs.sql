-- Purpose: whether Pipelines is switched on, by repository of the workspace that a gate looks at.

CREATE VIEW quality.pipelines_configs AS
SELECT * FROM staging.pipelines_configs
WHERE workspace = current_setting('compliance.workspace');
