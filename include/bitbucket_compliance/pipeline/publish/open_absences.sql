-- Purpose: say in history that a subject left a complete listing, or that its test was switched off.

INSERT INTO compliance.result_history (
    workspace,
    test_id,
    subject_type,
    subject_id,
    subject_name,
    severity,
    status,
    reason_code,
    reason,
    detail,
    facts_hash,
    policy_version,
    run_id,
    valid_from
)
SELECT
    history.workspace,
    history.test_id,
    history.subject_type,
    history.subject_id,
    history.subject_name,
    history.severity,
    'not_applicable',
    CASE WHEN history.test_id = any(%(test_ids)s) THEN 'removed_or_invisible' ELSE 'test_disabled' END,
    CASE
        WHEN history.test_id = any(%(test_ids)s)
            THEN 'A complete listing no longer names this subject: it was removed, or this identity lost sight of it.'
        ELSE 'The policy switched this test off.'
    END,
    '{}',
    encode(sha256(''), 'hex'),
    %(policy_version)s,
    %(run_id)s,
    %(published_at)s
FROM compliance.result_history AS history
WHERE
    history.workspace = %(workspace)s
    AND history.valid_to = %(published_at)s
    AND history.reason_code NOT IN ('removed_or_invisible', 'test_disabled')
    AND NOT EXISTS (
        SELECT 1
        FROM compliance.results AS results
        WHERE
            results.workspace = history.workspace
            AND results.test_id = history.test_id
            AND results.subject_id = history.subject_id
    );
