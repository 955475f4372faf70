-- Purpose: the interval to be opened for every current result that has none.

SELECT
    results.workspace,
    results.test_id,
    results.subject_type,
    results.subject_id,
    results.subject_name,
    results.severity,
    results.status,
    results.basis,
    results.reason_code,
    results.reason,
    results.detail,
    results.facts_hash,
    results.exception_id,
    results.policy_version,
    results.run_id,
    results.data_as_of,
    %(published_at)s AS valid_from
FROM compliance.results AS results
WHERE
    results.workspace = %(workspace)s
    AND NOT EXISTS (
        SELECT 1
        FROM compliance.result_history AS history
        WHERE
            history.workspace = results.workspace
            AND history.test_id = results.test_id
            AND history.subject_id = results.subject_id
            AND history.valid_to IS null
    );
