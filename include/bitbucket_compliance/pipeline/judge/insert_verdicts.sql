-- Purpose: keep what a test says of each subject, with what follows from its reason code and from the run. What the gate
-- holds back of a repository is an error, and nothing passes that was last seen too long ago.
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
WITH held_back AS (
    SELECT
        held.repository_id,
        string_agg(DISTINCT held.because, '; ') AS because
    FROM quality.held_back AS held
    INNER JOIN integration.runs AS runs ON held.run_id = runs.run_id
    WHERE
        held.workspace = %(workspace)s
        AND held.run_id = %(run_id)s
        AND held.resource = any(%(resources)s::text[])
        AND held.found_at >= runs.staged_at
    GROUP BY held.repository_id
),

known AS (
    SELECT
        verdicts.*,
        subjects.subject_name,
        subjects.data_as_of,
        held_back.because,
        verdicts.reason_code = any(%(passing_codes)s::text[])
        AND 'not_read_yet' = any(%(reason_codes)s::text[])
        AND subjects.data_as_of < %(oldest_reading)s AS too_old
    FROM verdicts
    LEFT JOIN judging.subjects(%(workspace)s, %(subject_type)s, %(reads_listings_alone)s) AS subjects
        ON verdicts.subject_id = subjects.subject_id
    LEFT JOIN held_back ON verdicts.subject_id = held_back.repository_id
),

given AS (
    SELECT
        subject_id,
        subject_name,
        data_as_of,
        detail,
        CASE
            WHEN because IS NOT null THEN 'extract_failed'
            WHEN too_old THEN 'not_read_yet'
            ELSE reason_code
        END AS reason_code,
        CASE
            WHEN because IS NOT null
                THEN format('What was read of this repository can''t be right. What does not hold: %%s.', because)
            WHEN too_old
                THEN format(
                    'Last seen on %%s, too long ago to tell: no listing since then could be read whole.',
                    (data_as_of AT TIME ZONE 'UTC')::date
                )
            ELSE reason
        END AS reason,
        CASE WHEN because IS NOT null OR too_old THEN '{}'::jsonb ELSE facts END AS facts
    FROM known
)

SELECT
    %(workspace)s,
    %(run_id)s,
    %(test_id)s,
    %(subject_type)s,
    given.subject_id,
    given.subject_name,
    reasons.status,
    reasons.basis,
    given.reason_code,
    concat_ws(' ', given.reason, failures.told) AS reason,
    given.detail,
    given.facts,
    given.data_as_of,
    %(as_of)s
FROM given
LEFT JOIN
    unnest(%(reason_codes)s::text[], %(statuses)s::text[], %(bases)s::text[])
        AS reasons (reason_code, status, basis)
    ON given.reason_code = reasons.reason_code
LEFT JOIN LATERAL (
    -- what the client said of the call: what to do may depend on it
    SELECT coverage.message || '.' AS told
    FROM staging.coverage AS coverage
    WHERE
        given.reason_code = 'extract_failed'
        AND coverage.workspace = %(workspace)s
        AND coverage.repository_id IN (given.subject_id, '')
        AND coverage.resource = any(%(resources)s::text[])
        AND coverage.outcome IN ('failed', 'not_found')
    ORDER BY coverage.outcome = 'failed' DESC, array_position(%(resources)s::text[], coverage.resource) ASC
    LIMIT 1
) AS failures ON true;
