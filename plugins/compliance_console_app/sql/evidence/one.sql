-- Purpose: one piece of evidence.

SELECT
    evidence.*,
    coalesce(tests.test_title, evidence.test_id) AS test_title
FROM compliance.evidence AS evidence
LEFT JOIN compliance.tests AS tests ON evidence.test_id = tests.test_id
WHERE evidence.evidence_id = %(key)s::uuid;
