-- Purpose: what became of each piece of evidence, in order: submitted, accepted or rejected, withdrawn, expired.

CREATE VIEW compliance.evidence_history AS
SELECT
    evidence.workspace,
    'submitted' AS kind,
    evidence.evidence_id::text AS subject,
    evidence.submitted_at AS happened_at,
    evidence.submitted_by::text AS who,
    null::jsonb AS before,
    jsonb_build_object(
        'status', 'submitted',
        'test_id', evidence.test_id,
        'scope', evidence.scope,
        'kind', evidence.kind,
        'captured_on', evidence.captured_on,
        'file_sha256', evidence.file_sha256
    ) AS after,
    evidence.note AS reason,
    'submitted ' || evidence.evidence_id AS entry_id
FROM registry.evidence AS evidence
UNION ALL
SELECT
    evidence.workspace,
    decisions.decision AS kind,
    decisions.evidence_id::text AS subject,
    decisions.decided_at AS happened_at,
    decisions.decided_by::text AS who,
    jsonb_build_object(
        'status', coalesce(lag(decisions.decision) OVER one_piece, 'submitted')
    ) AS before,
    jsonb_build_object(
        'status', decisions.decision,
        'test_id', evidence.test_id,
        'self_review', decisions.self_review,
        'policy_version', decisions.policy_version
    ) AS after,
    decisions.reason,
    decisions.decision || ' ' || decisions.evidence_id AS entry_id
FROM registry.evidence_decisions AS decisions
INNER JOIN registry.evidence AS evidence ON decisions.evidence_id = evidence.evidence_id
WINDOW one_piece AS (PARTITION BY decisions.evidence_id ORDER BY decisions.decision_id)
UNION ALL
SELECT
    expired.workspace,
    'expired' AS kind,
    expired.evidence_id::text AS subject,
    expired.valid_until AS happened_at,
    null AS who,
    jsonb_build_object('status', 'accepted') AS before,
    jsonb_build_object('status', 'expired', 'test_id', expired.test_id) AS after,
    'Its validity, which counts from the day of capture, ended.' AS reason,
    'expired ' || expired.evidence_id AS entry_id
FROM compliance.evidence AS expired
WHERE
    expired.accepted_at IS NOT null
    AND expired.valid_until <= now()
    AND coalesce(expired.withdrawn_at > expired.valid_until, true);

COMMENT ON COLUMN compliance.evidence_history.workspace IS 'Workspace slug; null: evidence for every workspace.';
COMMENT ON COLUMN compliance.evidence_history.kind IS 'submitted, accepted, rejected, withdrawn or expired.';
COMMENT ON COLUMN compliance.evidence_history.subject IS 'Id of the evidence; see evidence.';
COMMENT ON COLUMN compliance.evidence_history.happened_at IS
'When, by the server''s clock; of expiry the end of its validity under the policy of the newest run.';
COMMENT ON COLUMN compliance.evidence_history.who IS
'Who did it, as airflow:login or os:login; null: nobody, it happened by itself.';
COMMENT ON COLUMN compliance.evidence_history.before IS 'Its status before (jsonb); null: it was not there.';
COMMENT ON COLUMN compliance.evidence_history.after IS 'Its status from then on and what that rests on (jsonb).';
COMMENT ON COLUMN compliance.evidence_history.reason IS
'What the submitter says it shows, or what was said about the decision; null: nothing.';
COMMENT ON COLUMN compliance.evidence_history.entry_id IS
'Names the row: what happened, and the id of what it happened to.';

GRANT SELECT ON compliance.evidence_history TO compliance_pipeline, compliance_console, compliance_reader;
