-- Purpose: end the open intervals whose result changed or is gone.

UPDATE compliance.result_history AS history
SET valid_to = %(published_at)s
WHERE
    history.workspace = %(workspace)s
    AND history.valid_to IS null
    AND history.reason_code NOT IN ('removed_or_invisible', 'test_disabled')
    AND NOT EXISTS (
        SELECT 1
        FROM compliance.results AS results
        WHERE
            results.workspace = history.workspace
            AND results.test_id = history.test_id
            AND results.subject_id = history.subject_id
            AND results.status = history.status
            AND results.basis IS NOT DISTINCT FROM history.basis
            AND results.reason_code = history.reason_code
            AND results.facts_hash = history.facts_hash
            AND results.exception_id IS NOT DISTINCT FROM history.exception_id
            AND results.policy_version = history.policy_version
    );
