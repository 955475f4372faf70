-- Purpose: how the gates of each run ended, and the outcome of each expectation. Rows are added, never changed: a gate
-- that is tried again adds its own.

CREATE TABLE quality.gate_outcomes (
    outcome_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace text NOT NULL,
    run_id text NOT NULL,
    gate text NOT NULL CHECK (gate IN ('staging', 'results')),
    passed boolean NOT NULL,
    looked_at text NOT NULL,
    evaluated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX gate_outcomes_by_run ON quality.gate_outcomes (workspace, run_id);
COMMENT ON TABLE quality.gate_outcomes IS
'How each try of a gate ended. Publishing asks for the newest of both gates, and whether they looked at what is there now.';
COMMENT ON COLUMN quality.gate_outcomes.looked_at IS
'What the gate looked at, as quality.gate_state names it: another one now means that something was staged or judged since.';
COMMENT ON COLUMN quality.gate_outcomes.evaluated_at IS 'When, by the server''s clock.';

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
    evaluated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace, run_id, gate, suite, description, evaluated_at)
);
COMMENT ON TABLE quality.expectation_results IS
'Whether each expectation of a gate held in a run, and what was observed; the rows of one evaluated_at are one try.';

GRANT SELECT, INSERT (workspace, run_id, gate, passed, looked_at) ON quality.gate_outcomes TO compliance_pipeline;
GRANT
SELECT,
INSERT (workspace, run_id, gate, suite, expectation, description, severity, success, observed)
ON quality.expectation_results TO compliance_pipeline;
