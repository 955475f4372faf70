-- Purpose: accepted evidence of two-step verification that may cover members of this workspace, the newest first:
-- a row for each line of an export, and for each member whom a screenshot showed with it switched on.

WITH accepted AS (
    SELECT
        evidence.evidence_id,
        evidence.kind,
        evidence.captured_on,
        evidence.submitted_at
    FROM registry.evidence_states AS evidence
    WHERE
        evidence.test_id = 'user_mfa_enabled'
        AND evidence.status = 'accepted'
        AND (evidence.workspace IS null OR evidence.workspace = lower(%(workspace)s))
),

covered AS (
    SELECT
        members.evidence_id,
        members.line,
        members.email,
        members.account_id,
        null AS member_id,
        members.mfa_enabled
    FROM registry.evidence_members AS members
    UNION ALL
    SELECT
        subjects.evidence_id,
        null AS line,
        null AS email,
        null AS account_id,
        subjects.subject_id AS member_id,
        true AS mfa_enabled
    FROM registry.evidence_subjects AS subjects
    WHERE subjects.workspace = %(workspace)s AND subjects.subject_type = 'member'
)

SELECT
    accepted.evidence_id::text AS evidence_id,
    accepted.kind,
    accepted.captured_on,
    accepted.submitted_at,
    covered.line,
    covered.email,
    covered.account_id,
    covered.member_id,
    covered.mfa_enabled
FROM accepted
INNER JOIN covered ON accepted.evidence_id = covered.evidence_id
ORDER BY
    accepted.captured_on DESC,
    accepted.submitted_at DESC,
    accepted.evidence_id ASC,
    covered.line ASC,
    covered.member_id ASC;
