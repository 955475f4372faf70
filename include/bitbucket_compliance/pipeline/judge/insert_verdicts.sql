-- Purpose: keep what a test says of each subject, with what follows from its reason code and from the run.
-- Runs with the test's query before it: WITH verdicts AS (subject_id, reason_code, reason, detail, facts).

INSERT INTO judged.verdicts (
    workspace,
    run_id,
    test_id,
    subject_type,
    subject_id,
    subject_name,
    status,
    basis,
    reason_code,
    reason,
    detail,
    facts,
    data_as_of,
    evaluated_at
)
SELECT
    %(workspace)s,
    %(run_id)s,
    %(test_id)s,
    %(subject_type)s,
    verdicts.subject_id,
    subjects.subject_name,
    reasons.status,
    reasons.basis,
    verdicts.reason_code,
    concat_ws(' ', verdicts.reason, failures.told) AS reason,
    verdicts.detail,
    verdicts.facts,
    subjects.data_as_of,
    %(as_of)s
FROM verdicts
LEFT JOIN judging.subjects(%(workspace)s, %(subject_type)s, %(reads_listings_alone)s) AS subjects
    ON verdicts.subject_id = subjects.subject_id
LEFT JOIN
    unnest(%(reason_codes)s::text[], %(statuses)s::text[], %(bases)s::text[])
        AS reasons (reason_code, status, basis)
    ON verdicts.reason_code = reasons.reason_code
LEFT JOIN LATERAL (
    -- what the client said of the call: what to do may depend on it
    SELECT coverage.message || '.' AS told
    FROM staging.coverage AS coverage
    WHERE
        verdicts.reason_code = 'extract_failed'
        AND coverage.workspace = %(workspace)s
        AND coverage.repository_id IN (verdicts.subject_id, '')
        AND coverage.resource = any(%(resources)s::text[])
        AND coverage.outcome IN ('failed', 'not_found')
    ORDER BY coverage.outcome = 'failed' DESC, array_position(%(resources)s::text[], coverage.resource) ASC
    LIMIT 1
) AS failures ON true;
