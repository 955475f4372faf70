-- Purpose: what became of each accepted risk, in order: requested, accepted or rejected, withdrawn, expired, and for
-- single subjects that other facts or the end of the finding ended it.

CREATE VIEW compliance.exception_history AS
SELECT
    exceptions.workspace,
    'requested' AS kind,
    exceptions.exception_id::text AS subject,
    exceptions.requested_at AS happened_at,
    exceptions.requested_by::text AS who,
    null::jsonb AS before,
    jsonb_build_object(
        'status', 'requested',
        'test_id', exceptions.test_id,
        'scope', exceptions.scope,
        'target', exceptions.target,
        'owner', exceptions.owner,
        'expires_at', exceptions.expires_at
    ) AS after,
    exceptions.reason,
    'requested ' || exceptions.exception_id AS entry_id
FROM registry.exceptions AS exceptions
UNION ALL
SELECT
    exceptions.workspace,
    decisions.decision AS kind,
    decisions.exception_id::text AS subject,
    decisions.decided_at AS happened_at,
    decisions.decided_by::text AS who,
    jsonb_build_object(
        'status', coalesce(lag(decisions.decision) OVER one_exception, 'requested')
    ) AS before,
    jsonb_build_object(
        'status', decisions.decision,
        'test_id', exceptions.test_id,
        'self_review', decisions.self_review,
        'policy_version', decisions.policy_version
    ) AS after,
    decisions.reason,
    decisions.decision || ' ' || decisions.exception_id AS entry_id
FROM registry.exception_decisions AS decisions
INNER JOIN registry.exceptions AS exceptions ON decisions.exception_id = exceptions.exception_id
WINDOW one_exception AS (PARTITION BY decisions.exception_id ORDER BY decisions.decision_id)
UNION ALL
SELECT
    states.workspace,
    'expired' AS kind,
    states.exception_id::text AS subject,
    states.expires_at AS happened_at,
    null AS who,
    jsonb_build_object('status', 'accepted') AS before,
    jsonb_build_object('status', 'expired', 'test_id', states.test_id) AS after,
    'The date until which it was accepted passed.' AS reason,
    'expired ' || states.exception_id AS entry_id
FROM registry.exception_states AS states
WHERE
    states.approved_at IS NOT null
    AND states.expires_at <= now()
    AND (states.status = 'accepted' OR states.decided_at > states.expires_at)
UNION ALL
SELECT
    endings.workspace,
    endings.cause AS kind,
    endings.exception_id::text AS subject,
    endings.ended_at AS happened_at,
    null AS who,
    jsonb_build_object('subject_id', endings.subject_id, 'facts_hash', endings.facts_hash) AS before,
    jsonb_build_object(
        'subject_id', endings.subject_id,
        'test_id', endings.test_id,
        'status', endings.status_then,
        'facts_hash', endings.facts_hash_then
    ) AS after,
    CASE endings.cause
        WHEN 'facts_changed' THEN 'Other facts than those that were accepted came up for this subject.'
        ELSE 'The finding that was accepted ended.'
    END AS reason,
    concat_ws(' ', endings.cause, endings.exception_id, endings.subject_id) AS entry_id
FROM compliance.exception_endings AS endings
WHERE endings.cause IN ('facts_changed', 'finding_ended');

COMMENT ON COLUMN compliance.exception_history.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.exception_history.kind IS
'requested, accepted, rejected, withdrawn or expired; of single subjects facts_changed or finding_ended.';
COMMENT ON COLUMN compliance.exception_history.subject IS 'Id of the exception; see exceptions.';
COMMENT ON COLUMN compliance.exception_history.happened_at IS 'When, by the server''s clock.';
COMMENT ON COLUMN compliance.exception_history.who IS
'Who did it, as airflow:login or os:login; null: nobody, it happened by itself.';
COMMENT ON COLUMN compliance.exception_history.before IS
'Its status before, or what of the subject was accepted (jsonb); null: it was not there.';
COMMENT ON COLUMN compliance.exception_history.after IS
'Its status from then on, or what the subject is since (jsonb).';
COMMENT ON COLUMN compliance.exception_history.reason IS
'Why the risk is to be accepted, what was said about the decision, or why it ended; null: nothing was said.';
COMMENT ON COLUMN compliance.exception_history.entry_id IS
'Names the row: what happened, and the id of what it happened to.';

GRANT SELECT ON compliance.exception_history TO compliance_pipeline, compliance_console, compliance_reader;
