-- Purpose: how long each step of each run was at work.

CREATE VIEW compliance.run_steps AS
SELECT
    steps.run_id,
    min(steps.workspace) AS workspace,
    steps.step,
    count(*) AS parts,
    min(steps.started_at) AS started_at,
    max(steps.finished_at) AS finished_at,
    round(sum(extract(EPOCH FROM steps.finished_at - steps.started_at)), 1) AS seconds
FROM integration.run_steps AS steps
GROUP BY steps.run_id, steps.step;

COMMENT ON VIEW compliance.run_steps IS 'How long each step of each run was at work; kept as long as landed bodies, the policy''s bodies_kept_days.';
COMMENT ON COLUMN compliance.run_steps.run_id IS 'Run; see runs.';
COMMENT ON COLUMN compliance.run_steps.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.run_steps.step IS 'Step, called as its task.';
COMMENT ON COLUMN compliance.run_steps.parts IS 'Tasks that did it: reading is split among several.';
COMMENT ON COLUMN compliance.run_steps.started_at IS 'When the first of them began.';
COMMENT ON COLUMN compliance.run_steps.finished_at IS 'When the last of them ended.';
COMMENT ON COLUMN compliance.run_steps.seconds IS 'Seconds that they were at work, all of them together; neither Airflow''s queue nor waiting for requests is in it.';

GRANT SELECT ON compliance.run_steps TO compliance_pipeline, compliance_console, compliance_reader;
