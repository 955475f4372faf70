-- Purpose: evidence of a workspace: what waits for a review, what expires within 14 days, or a page of all of it.

SELECT
    evidence.evidence_id,
    coalesce(tests.test_title, evidence.test_id) AS test_title,
    evidence.scope,
    evidence.workspace,
    evidence.targets,
    evidence.captured_on,
    evidence.valid_until,
    evidence.status,
    evidence.submitted_by,
    evidence.submitted_at,
    coalesce(evidence.withdrawn_by, evidence.rejected_by, evidence.accepted_by) AS decided_by,
    coalesce(evidence.withdrawn_at, evidence.rejected_at, evidence.accepted_at) AS decided_at,
    evidence.decision_reason,
    evidence.file_name,
    evidence.subjects,
    count(*) OVER () AS total
FROM compliance.evidence AS evidence
LEFT JOIN compliance.tests AS tests ON evidence.test_id = tests.test_id
WHERE
    (%(workspace)s::text = '' OR evidence.workspace IS null OR evidence.workspace = lower(%(workspace)s))
    AND (%(test_id)s::text = '' OR evidence.test_id = %(test_id)s)
    AND CASE %(section)s::text
        WHEN 'review' THEN evidence.status = 'submitted'
        WHEN 'expiring' THEN evidence.status = 'accepted' AND evidence.valid_until <= now() + interval '14 days'
        ELSE %(status)s::text = '' OR evidence.status = %(status)s
    END
ORDER BY
    CASE %(section)s::text
        WHEN 'review' THEN evidence.submitted_at
        WHEN 'expiring' THEN evidence.valid_until
    END ASC,
    evidence.submitted_at DESC,
    evidence.evidence_id ASC
LIMIT %(limit)s OFFSET %(offset)s;
