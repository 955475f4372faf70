-- Purpose: freeze which members evidence covers: the people in its scope, apps left out.
-- Bitbucket tells no day of joining. Whom a run saw for the first time after the day of capture, while another run had
-- looked before, joined later and is not covered.

WITH captured AS (
    SELECT
        evidence.*,
        (evidence.captured_on + 1)::timestamp AT TIME ZONE %(time_zone)s AS day_ended_at
    FROM registry.evidence AS evidence
    WHERE evidence.evidence_id = %(evidence_id)s::uuid
),

seen AS (
    SELECT
        results.workspace,
        results.subject_id,
        min(results.first_seen_at) AS first_seen_at,
        min(min(results.first_seen_at)) OVER (PARTITION BY results.workspace) AS first_looked_at
    FROM compliance.results AS results
    WHERE results.subject_type = 'member'
    GROUP BY results.workspace, results.subject_id
)

INSERT INTO registry.evidence_subjects (evidence_id, workspace, subject_type, subject_id, subject_name)
SELECT
    captured.evidence_id,
    members.workspace,
    'member' AS subject_type,
    members.member_id,
    members.display_name
FROM captured
INNER JOIN staging.members AS members ON captured.workspace = lower(members.workspace)
LEFT JOIN seen ON members.workspace = seen.workspace AND members.member_id = seen.subject_id
WHERE
    members.member_type IS DISTINCT FROM 'app_user'
    AND (
        seen.first_seen_at IS null
        OR seen.first_seen_at < captured.day_ended_at
        OR seen.first_looked_at >= captured.day_ended_at
    )
    AND (
        captured.scope = 'workspace'
        OR lower(members.account_id) = any(captured.targets)
        OR EXISTS (
            SELECT 1 FROM staging.member_emails AS confirmed
            WHERE
                confirmed.workspace = members.workspace
                AND confirmed.member_id = members.member_id
                AND confirmed.email = any(captured.targets)
        )
    );
