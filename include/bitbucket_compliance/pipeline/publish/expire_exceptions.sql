-- Purpose: cut open intervals at the expiry of their exception, where current results stopped showing it.

WITH expired AS (
    UPDATE compliance.result_history AS history
    -- An expiry before the interval began was put back by hand.
    SET valid_to = greatest(exceptions.expires_at, history.valid_from + interval '1 microsecond')
    FROM registry.exceptions AS exceptions
    WHERE
        history.workspace = %(workspace)s
        AND history.valid_to IS null
        AND history.exception_id = exceptions.exception_id
        AND exceptions.expires_at < %(published_at)s
    RETURNING history.*
),

uncovered AS (
    UPDATE compliance.results AS results
    SET exception_id = null, exception_expires_at = null
    FROM expired
    WHERE
        results.workspace = expired.workspace
        AND results.test_id = expired.test_id
        AND results.subject_id = expired.subject_id
)

INSERT INTO compliance.result_history (
    workspace,
    test_id,
    subject_type,
    subject_id,
    subject_name,
    severity,
    status,
    basis,
    reason_code,
    reason,
    detail,
    facts_hash,
    policy_version,
    run_id,
    data_as_of,
    evidence_id,
    evidence_until,
    bypassed,
    workspace_id,
    valid_from
)
SELECT
    expired.workspace,
    expired.test_id,
    expired.subject_type,
    expired.subject_id,
    expired.subject_name,
    expired.severity,
    expired.status,
    expired.basis,
    expired.reason_code,
    expired.reason,
    expired.detail,
    expired.facts_hash,
    expired.policy_version,
    expired.run_id,
    expired.data_as_of,
    expired.evidence_id,
    expired.evidence_until,
    expired.bypassed,
    expired.workspace_id,
    expired.valid_to
FROM expired;
