-- Purpose: the evidence that was accepted for some tests, with the digest of its file, the newest capture first.

SELECT
    evidence.evidence_id,
    coalesce(tests.test_title, evidence.test_id) AS test_title,
    evidence.file_name,
    evidence.file_sha256,
    evidence.status,
    evidence.captured_on,
    evidence.valid_until,
    evidence.submitted_by,
    evidence.accepted_by,
    evidence.self_accepted
FROM compliance.evidence AS evidence
LEFT JOIN compliance.tests AS tests ON evidence.test_id = tests.test_id
WHERE
    evidence.test_id = any(%(test_ids)s::text[])
    AND evidence.accepted_at <= %(until)s::timestamptz
    AND (evidence.workspace IS null OR evidence.workspace = lower(%(workspace)s))
ORDER BY evidence.captured_on DESC, evidence.evidence_id ASC
LIMIT %(limit)s;
