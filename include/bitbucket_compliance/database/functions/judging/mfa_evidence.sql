-- Purpose: accepted evidence of two-step verification that may cover members of a workspace, the newest first: a row
-- for each line of an export, and for each member whom a screenshot showed with it switched on.

CREATE FUNCTION judging.mfa_evidence(in_workspace text)
RETURNS TABLE (
    evidence_id text, kind text, captured_on date, submitted_at timestamptz,
    line integer, email text, account_id text, member_id text, two_step text, other_emails text[]
)
LANGUAGE sql STABLE
AS $mfa_evidence$
    WITH covered AS (
        SELECT
            members.evidence_id,
            members.line,
            members.email,
            members.account_id,
            null AS member_id,
            members.two_step,
            members.other_emails
        FROM registry.evidence_members AS members
        UNION ALL
        SELECT
            subjects.evidence_id,
            null AS line,
            null AS email,
            null AS account_id,
            subjects.subject_id AS member_id,
            'on' AS two_step,
            '{}' AS other_emails
        FROM registry.evidence_subjects AS subjects
        WHERE subjects.workspace = in_workspace AND subjects.subject_type = 'member'
    )

    SELECT
        evidence.evidence_id::text,
        evidence.kind,
        evidence.captured_on,
        evidence.submitted_at,
        covered.line,
        covered.email,
        covered.account_id,
        covered.member_id,
        covered.two_step,
        covered.other_emails
    FROM registry.evidence_states AS evidence
    INNER JOIN covered ON evidence.evidence_id = covered.evidence_id
    WHERE
        evidence.test_id = 'user_mfa_enabled'
        AND evidence.status = 'accepted'
        AND (evidence.workspace IS null OR evidence.workspace = lower(in_workspace))
    ORDER BY
        evidence.captured_on DESC,
        evidence.submitted_at DESC,
        evidence.evidence_id ASC,
        covered.line ASC,
        covered.member_id ASC
$mfa_evidence$;
