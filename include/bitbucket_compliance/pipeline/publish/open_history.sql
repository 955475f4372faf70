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
    results.evidence_id,
    results.evidence_until,
    results.bypassed,
    results.workspace_id,
    %(published_at)s AS valid_from
FROM compliance.results AS results
WHERE
    results.workspace = %(workspace)s
    -- Looked up in a hash, whatever the planner thinks of a table that a run has just written.
    AND (results.test_id, results.subject_id) NOT IN (
        SELECT
            history.test_id,
            history.subject_id
        FROM compliance.result_history AS history
        WHERE history.workspace = %(workspace)s AND history.valid_to IS null
    );
