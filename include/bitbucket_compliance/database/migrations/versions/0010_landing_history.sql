-- Purpose: bodies as intervals, so that what an object looked like on an earlier day can be told for certain, and
-- published intervals say how fresh their data was.

-- A body that comes back after another one is a new interval: the old row would otherwise span the time between.
ALTER TABLE landing.objects DROP CONSTRAINT objects_pkey;
ALTER TABLE landing.objects
ADD CONSTRAINT objects_pkey PRIMARY KEY (workspace, resource, object_key, first_fetched_at, body_hash);
COMMENT ON TABLE landing.objects IS
'A row per interval in which an object had one body: first_fetched_at and fetched_at say when it was seen first and last, run_id by which run last. The newest row of an object is what Bitbucket said last. Nothing is overwritten.';

ALTER TABLE compliance.result_history ADD COLUMN data_as_of timestamptz;
COMMENT ON COLUMN compliance.result_history.data_as_of IS
'When the oldest data behind the verdict was read, at the start of the interval; null for intervals from before this was kept.';

-- ------------------------------------------------------------ reason codes

CREATE TABLE compliance.reason_codes (
    test_id text NOT NULL,
    reason_code text NOT NULL,
    status text NOT NULL CHECK (status IN ('passing', 'failing', 'pending', 'error', 'not_applicable')),
    meaning text NOT NULL,
    remediation text,
    api_calls jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (test_id, reason_code)
);
COMMENT ON TABLE compliance.reason_codes IS 'Every reason a test can give, what it means, and what would mend it.';
COMMENT ON COLUMN compliance.reason_codes.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.reason_codes.reason_code IS 'Stable code of the reason.';
COMMENT ON COLUMN compliance.reason_codes.status IS 'The status it stands for.';
COMMENT ON COLUMN compliance.reason_codes.meaning IS 'What it means, in a sentence.';
COMMENT ON COLUMN compliance.reason_codes.remediation IS 'What a person does next in Bitbucket or here; null: nothing.';
COMMENT ON COLUMN compliance.reason_codes.api_calls IS
'Calls of Bitbucket''s API that would mend it (method, path, body), with {workspace} and {repo_slug} to be filled in. They are shown, never executed.';
GRANT SELECT, INSERT, UPDATE, DELETE ON compliance.reason_codes TO compliance_pipeline;
GRANT SELECT ON compliance.reason_codes TO compliance_console, compliance_reader;
