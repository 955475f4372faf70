-- Purpose: the failures that an exception was accepted for, and whether it still stands for them.

CREATE VIEW compliance.exception_subjects AS
SELECT
    subjects.exception_id,
    subjects.workspace,
    subjects.test_id,
    subjects.subject_id,
    subjects.facts_hash,
    endings.ended_at,
    endings.cause
FROM registry.exception_subjects AS subjects
LEFT JOIN compliance.exception_endings AS endings
    ON subjects.exception_id = endings.exception_id AND subjects.subject_id = endings.subject_id;

COMMENT ON VIEW compliance.exception_subjects IS
'The failures that an exception was accepted for, and whether it still stands for them.';
COMMENT ON COLUMN compliance.exception_subjects.exception_id IS 'The exception.';
COMMENT ON COLUMN compliance.exception_subjects.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.exception_subjects.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.exception_subjects.subject_id IS 'Subject that failed when the exception was accepted.';
COMMENT ON COLUMN compliance.exception_subjects.facts_hash IS 'Hash of the facts that were accepted.';
COMMENT ON COLUMN compliance.exception_subjects.ended_at IS 'When it stopped to cover the subject; null: no end was noted.';
COMMENT ON COLUMN compliance.exception_subjects.cause IS 'Why; see exception_endings.';

GRANT SELECT ON compliance.exception_subjects TO compliance_pipeline, compliance_console, compliance_reader;
