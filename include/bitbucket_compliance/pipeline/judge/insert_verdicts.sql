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
    evaluated_at,
    read_at
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
    verdicts.reason,
    verdicts.detail,
    verdicts.facts,
    -- what was seen before the subject was last read, and decided
    least(subjects.data_as_of, (verdicts.detail ->> 'data_as_of')::timestamptz),
    %(as_of)s,
    subjects.data_as_of
FROM verdicts
LEFT JOIN judging.subjects(%(workspace)s, %(subject_type)s, %(reads_listings_alone)s) AS subjects
    ON verdicts.subject_id = subjects.subject_id
LEFT JOIN
    unnest(%(reason_codes)s::text[], %(statuses)s::text[], %(bases)s::text[])
        AS reasons (reason_code, status, basis)
    ON verdicts.reason_code = reasons.reason_code;
