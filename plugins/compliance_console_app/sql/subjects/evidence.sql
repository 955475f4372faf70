-- Purpose: the evidence that covers one subject or decided about it, the newest capture first.

SELECT
    evidence.evidence_id,
    evidence.test_id,
    coalesce(tests.test_title, evidence.test_id) AS test_title,
    evidence.file_name,
    evidence.file_sha256,
    evidence.status,
    evidence.captured_on,
    evidence.valid_until,
    evidence.submitted_by,
    evidence.accepted_by
FROM compliance.evidence AS evidence
LEFT JOIN compliance.tests AS tests ON evidence.test_id = tests.test_id
WHERE
    evidence.evidence_id = any(%(evidence_ids)s::uuid[])
    OR evidence.evidence_id IN (
        SELECT covered.evidence_id
        FROM registry.evidence_subjects AS covered
        WHERE covered.workspace = %(workspace)s AND covered.subject_id = %(subject_id)s
    )
ORDER BY evidence.captured_on DESC, evidence.evidence_id ASC
LIMIT %(limit)s;
