-- Purpose: evidence with its life cycle; never the file itself.

CREATE VIEW compliance.evidence AS
WITH validity AS (
    SELECT
        runs.workspace,
        (policies.body #>> '{thresholds,evidence_validity_days}')::integer AS validity_days,
        policies.body #>> '{thresholds,time_zone}' AS time_zone,
        row_number() OVER (PARTITION BY lower(runs.workspace) ORDER BY runs.started_at DESC) AS in_workspace,
        row_number() OVER (ORDER BY runs.started_at DESC) AS anywhere
    FROM integration.runs AS runs
    INNER JOIN registry.policy_versions AS policies ON runs.policy_version = policies.policy_version
),

timed AS (
    SELECT
        states.*,
        (states.captured_on + coalesce(validity.validity_days, 90))::timestamp
        AT TIME ZONE coalesce(validity.time_zone, 'UTC') AS valid_until
    FROM registry.evidence_states AS states
    LEFT JOIN validity
        ON
            (states.workspace = lower(validity.workspace) AND validity.in_workspace = 1)
            OR (states.workspace IS null AND validity.anywhere = 1)
)

SELECT
    timed.evidence_id,
    timed.test_id,
    timed.scope,
    timed.workspace,
    timed.kind,
    timed.captured_on,
    CASE WHEN timed.status = 'accepted' AND timed.valid_until <= now() THEN 'expired' ELSE timed.status END AS status,
    timed.submitted_by::text AS submitted_by,
    timed.submitted_at,
    timed.accepted_by::text AS accepted_by,
    timed.accepted_at,
    timed.rejected_by::text AS rejected_by,
    timed.rejected_at,
    timed.withdrawn_by::text AS withdrawn_by,
    timed.withdrawn_at,
    timed.file_name,
    timed.file_sha256,
    timed.targets,
    timed.valid_until,
    timed.decision_reason,
    timed.note,
    timed.media_type,
    timed.size_bytes,
    (
        SELECT count(*) FROM registry.evidence_subjects AS covered
        WHERE covered.evidence_id = timed.evidence_id
    ) + (
        SELECT count(*) FROM registry.evidence_members AS covered
        WHERE covered.evidence_id = timed.evidence_id
    ) AS subjects,
    timed.self_accepted
FROM timed;

COMMENT ON VIEW compliance.evidence IS 'Evidence with its life cycle; never the file itself.';
COMMENT ON COLUMN compliance.evidence.evidence_id IS 'Id of the evidence.';
COMMENT ON COLUMN compliance.evidence.test_id IS 'Test it supports.';
COMMENT ON COLUMN compliance.evidence.scope IS 'workspace, project, repository or members.';
COMMENT ON COLUMN compliance.evidence.workspace IS 'Workspace slug; null: any.';
COMMENT ON COLUMN compliance.evidence.kind IS 'mfa_export or screenshot.';
COMMENT ON COLUMN compliance.evidence.captured_on IS 'Day of capture, as the submitter states it; validity counts from it.';
COMMENT ON COLUMN compliance.evidence.status IS
'submitted, accepted, rejected, withdrawn, or expired: accepted and past its validity, computed when read.';
COMMENT ON COLUMN compliance.evidence.submitted_by IS 'Who submitted it, as airflow:login or os:login.';
COMMENT ON COLUMN compliance.evidence.submitted_at IS 'When.';
COMMENT ON COLUMN compliance.evidence.accepted_by IS 'Who accepted it; stays when it is withdrawn later.';
COMMENT ON COLUMN compliance.evidence.accepted_at IS 'When.';
COMMENT ON COLUMN compliance.evidence.rejected_by IS 'Who rejected it.';
COMMENT ON COLUMN compliance.evidence.rejected_at IS 'When.';
COMMENT ON COLUMN compliance.evidence.withdrawn_by IS 'Who withdrew it.';
COMMENT ON COLUMN compliance.evidence.withdrawn_at IS 'When.';
COMMENT ON COLUMN compliance.evidence.file_name IS 'Name of the file as given.';
COMMENT ON COLUMN compliance.evidence.file_sha256 IS 'SHA-256 of the stored file.';
COMMENT ON COLUMN compliance.evidence.targets IS 'Project keys, repositories or people that the scope names; empty: see scope.';
COMMENT ON COLUMN compliance.evidence.valid_until IS 'Until when it supports a verdict under the policy of the newest run.';
COMMENT ON COLUMN compliance.evidence.decision_reason IS 'Why it was rejected or withdrawn, or a remark on its acceptance.';
COMMENT ON COLUMN compliance.evidence.note IS 'What the submitter says it shows.';
COMMENT ON COLUMN compliance.evidence.media_type IS 'Type of the file, found by its content.';
COMMENT ON COLUMN compliance.evidence.size_bytes IS 'Size of the stored file.';
COMMENT ON COLUMN compliance.evidence.subjects IS 'How many subjects it covers, frozen when it was accepted.';
COMMENT ON COLUMN compliance.evidence.self_accepted IS
'Whether no other person accepted it: the policy of that moment allowed it, or its operator imported it in one act.';

GRANT SELECT ON compliance.evidence TO compliance_pipeline, compliance_console, compliance_reader;
