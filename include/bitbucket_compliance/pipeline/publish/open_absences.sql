-- Purpose: what history says of a subject that left a complete listing, or whose test was switched off.

SELECT
    history.workspace,
    history.test_id,
    history.subject_type,
    history.subject_id,
    history.subject_name,
    history.severity,
    'not_applicable' AS status,
    CASE WHEN history.test_id = any(%(test_ids)s) THEN 'removed_or_invisible' ELSE 'test_disabled' END
        AS reason_code,
    CASE
        WHEN history.test_id = any(%(test_ids)s)
            THEN 'A complete listing no longer names this subject: it was removed, or this identity lost sight of it.'
        ELSE 'The policy switched this test off.'
    END AS reason,
    '{}'::jsonb AS detail,
    encode(sha256(''), 'hex') AS facts_hash,
    %(policy_version)s AS policy_version,
    %(run_id)s AS run_id,
    history.workspace_id,
    %(published_at)s AS valid_from
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
