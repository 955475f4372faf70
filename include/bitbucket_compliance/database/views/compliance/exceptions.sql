-- Purpose: risks that somebody accepted until a date, or is asked to accept.

CREATE VIEW compliance.exceptions AS
WITH subjects AS (
    SELECT
        subjects.exception_id,
        count(*) AS subjects,
        count(*) FILTER (WHERE endings.cause IN ('facts_changed', 'finding_ended')) AS changed
    FROM registry.exception_subjects AS subjects
    LEFT JOIN compliance.exception_endings AS endings
        ON subjects.exception_id = endings.exception_id AND subjects.subject_id = endings.subject_id
    GROUP BY subjects.exception_id
),

covered AS (
    SELECT
        results.exception_id,
        count(*) AS subjects
    FROM compliance.results AS results
    WHERE results.exception_expires_at > now()
    GROUP BY results.exception_id
)

SELECT
    states.exception_id,
    states.workspace,
    states.test_id,
    states.scope,
    states.target,
    states.owner::text AS owner,
    states.reason,
    states.requested_by::text AS requested_by,
    states.requested_at,
    CASE
        WHEN states.status IN ('rejected', 'withdrawn') THEN states.status
        WHEN subjects.changed = subjects.subjects THEN 'reopened'
        WHEN states.expires_at <= now() THEN 'expired'
        ELSE states.status
    END AS status,
    states.approver::text AS approver,
    states.approved_at,
    states.decided_by::text AS decided_by,
    states.decided_at,
    states.decision_reason,
    states.expires_at,
    coalesce(subjects.subjects, 0) AS subjects,
    coalesce(covered.subjects, 0) AS subjects_covered,
    states.self_accepted
FROM registry.exception_states AS states
LEFT JOIN subjects ON states.exception_id = subjects.exception_id
LEFT JOIN covered ON states.exception_id = covered.exception_id;

COMMENT ON VIEW compliance.exceptions IS
'Risks that were accepted until a date, or are asked to be: who owns them, who approved, and what they still cover.';
COMMENT ON COLUMN compliance.exceptions.exception_id IS 'Id of the exception.';
COMMENT ON COLUMN compliance.exceptions.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.exceptions.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.exceptions.scope IS 'subject, project or pattern.';
COMMENT ON COLUMN compliance.exceptions.target IS 'Uuid of the subject, key of the project, or slug glob.';
COMMENT ON COLUMN compliance.exceptions.owner IS 'Who owns the risk, as airflow:login or os:login.';
COMMENT ON COLUMN compliance.exceptions.reason IS 'Why the risk is to be accepted.';
COMMENT ON COLUMN compliance.exceptions.requested_by IS 'Who asked for it.';
COMMENT ON COLUMN compliance.exceptions.requested_at IS 'When.';
COMMENT ON COLUMN compliance.exceptions.status IS
'requested, accepted, rejected, withdrawn, expired (computed when read), or reopened: other facts came up, or none, for every subject it covered.';
COMMENT ON COLUMN compliance.exceptions.approver IS 'Who accepted it; null: nobody.';
COMMENT ON COLUMN compliance.exceptions.approved_at IS 'When it was accepted.';
COMMENT ON COLUMN compliance.exceptions.decided_by IS 'Who accepted, rejected or, last, withdrew it.';
COMMENT ON COLUMN compliance.exceptions.decided_at IS 'When.';
COMMENT ON COLUMN compliance.exceptions.decision_reason IS 'What they said about it.';
COMMENT ON COLUMN compliance.exceptions.expires_at IS 'From when it covers nothing any more.';
COMMENT ON COLUMN compliance.exceptions.subjects IS 'Failing subjects in its scope when it was accepted: it covers no others.';
COMMENT ON COLUMN compliance.exceptions.subjects_covered IS 'Subjects whose current result shows it.';
COMMENT ON COLUMN compliance.exceptions.self_accepted IS
'Whether its owner or who asked for it accepted it, because the policy of that moment allowed it.';

GRANT SELECT ON compliance.exceptions TO compliance_pipeline, compliance_console, compliance_reader;
