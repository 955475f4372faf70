-- Purpose: the outcome of each expectation of each run.

CREATE TABLE quality.expectation_results (
    workspace text NOT NULL,
    run_id text NOT NULL,
    gate text NOT NULL,
    suite text NOT NULL,
    expectation text NOT NULL,
    description text NOT NULL,
    severity text NOT NULL,
    success boolean NOT NULL,
    observed jsonb,
    evaluated_at timestamptz NOT NULL,
    PRIMARY KEY (workspace, run_id, gate, suite, description)
);
COMMENT ON TABLE quality.expectation_results IS 'Whether each expectation of a gate held in a run, and what was observed.';

GRANT SELECT, INSERT, UPDATE, DELETE ON quality.expectation_results TO compliance_pipeline;
