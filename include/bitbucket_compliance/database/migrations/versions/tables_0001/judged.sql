-- Purpose: verdicts of a run before they are published.

CREATE TABLE judged.verdicts (
    workspace text NOT NULL,
    run_id text NOT NULL,
    test_id text NOT NULL,
    subject_type text NOT NULL,
    subject_id text NOT NULL,
    subject_name text,
    status text NOT NULL,
    basis text,
    reason_code text NOT NULL,
    reason text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    facts jsonb NOT NULL DEFAULT '{}',
    data_as_of timestamptz,
    evaluated_at timestamptz NOT NULL,
    read_at timestamptz,
    PRIMARY KEY (workspace, run_id, test_id, subject_id)
);
-- No row is ever looked for by it, and statistics of documents are most of the work of ANALYZE.
ALTER TABLE judged.verdicts
ALTER COLUMN reason SET STATISTICS 0,
ALTER COLUMN detail SET STATISTICS 0,
ALTER COLUMN facts SET STATISTICS 0;
COMMENT ON TABLE judged.verdicts IS 'What each test of a run says of each subject.';
COMMENT ON COLUMN judged.verdicts.read_at IS
'When the subject was last read. data_as_of is earlier where something decided that was seen then and can''t be now.';

CREATE TABLE judged.configurations (
    workspace text NOT NULL,
    test_id text NOT NULL,
    subject_id text NOT NULL,
    run_id text NOT NULL,
    read_at timestamptz NOT NULL,
    failed boolean NOT NULL,
    last_failed_at timestamptz,
    in_force_since timestamptz,
    PRIMARY KEY (workspace, test_id, subject_id)
);
COMMENT ON TABLE judged.configurations IS
'What each test made of a subject''s configuration when that was last read; it stays when it can be read no more.';
COMMENT ON COLUMN judged.configurations.read_at IS 'When that was.';
COMMENT ON COLUMN judged.configurations.failed IS 'Whether the test failed by it then.';
COMMENT ON COLUMN judged.configurations.last_failed_at IS 'When a reading was last that failed; null: none ever did.';
COMMENT ON COLUMN judged.configurations.in_force_since IS
'Since when every reading saw an enforced rule of the kind that the test wants, whatever its threshold; null: the last one did not.';

CREATE TABLE judged.enabled_tests (
    workspace text NOT NULL,
    run_id text NOT NULL,
    test_id text NOT NULL,
    subject_type text NOT NULL,
    judged_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (workspace, run_id, test_id)
);
COMMENT ON TABLE judged.enabled_tests IS 'The tests that the policy of a run asks for and that were judged by.';
COMMENT ON COLUMN judged.enabled_tests.judged_at IS 'When.';

CREATE TABLE judged.subjects (
    workspace text NOT NULL,
    run_id text NOT NULL,
    subject_id text NOT NULL,
    PRIMARY KEY (workspace, run_id, subject_id)
);
COMMENT ON TABLE judged.subjects IS
'The repositories that a run judges where it judges not all (integration.runs.judges_all).';

GRANT SELECT, INSERT, UPDATE, DELETE ON
judged.verdicts,
judged.configurations,
judged.enabled_tests,
judged.subjects
TO compliance_pipeline;
