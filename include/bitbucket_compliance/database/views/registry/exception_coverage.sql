-- Purpose: what an accepted exception covers, or covered until it ended: each subject, from when until when.

CREATE VIEW registry.exception_coverage AS
SELECT
    subjects.exception_id,
    subjects.workspace,
    subjects.test_id,
    subjects.subject_id,
    states.approved_at AS covers_from,
    least(endings.ended_at, states.expires_at) AS covers_until
FROM registry.exception_states AS states
INNER JOIN registry.exception_subjects AS subjects ON states.exception_id = subjects.exception_id
LEFT JOIN compliance.exception_endings AS endings
    ON subjects.exception_id = endings.exception_id AND subjects.subject_id = endings.subject_id
WHERE states.approved_at IS NOT null AND (states.status = 'accepted' OR endings.exception_id IS NOT null);

GRANT SELECT ON registry.exception_coverage TO compliance_pipeline, compliance_console;
