-- Purpose: accepted exports of two-step verification that may cover members of this workspace, a row a line.

SELECT
    evidence.evidence_id::text AS evidence_id,
    evidence.captured_on,
    evidence.submitted_at,
    covered.line,
    covered.email,
    covered.account_id,
    covered.mfa_enabled
FROM registry.evidence_states AS evidence
INNER JOIN registry.evidence_members AS covered ON evidence.evidence_id = covered.evidence_id
WHERE
    evidence.test_id = 'user_mfa_enabled'
    AND evidence.status = 'accepted'
    AND (evidence.workspace IS null OR evidence.workspace = lower(%(workspace)s))
ORDER BY evidence.captured_on DESC, evidence.submitted_at DESC, evidence.evidence_id ASC, covered.line ASC;
