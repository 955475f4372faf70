-- Purpose: keep what a test says of each subject, with what follows from its reason code and from the run. Where
-- the gate over staging found the listing of the subject wrong, that stands in the place of what the test says; what it
-- found wrong below a repository counts as not read, and the test has said so.
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
WITH reasons AS (
    SELECT
        given.reason_code,
        given.status,
        given.basis
    FROM
        unnest(%(reason_codes)s::text[], %(statuses)s::text[], %(bases)s::text[])
            AS given (reason_code, status, basis)
)

SELECT
    %(workspace)s,
    %(run_id)s,
    %(test_id)s,
    %(subject_type)s,
    verdicts.subject_id,
    subjects.subject_name,
    CASE WHEN held.stands_instead THEN 'error' ELSE reasons.status END,
    CASE WHEN NOT coalesce(held.stands_instead, false) THEN reasons.basis END,
    CASE WHEN held.stands_instead THEN 'held_back' ELSE verdicts.reason_code END,
    CASE
        WHEN held.stands_instead
            THEN format('What was read of it can''t be relied on: it should hold that %%s.', held.rule)
        WHEN reasons.status = 'error' AND held.rule IS NOT null
            THEN format('%%s What was read can''t be relied on: it should hold that %%s.', verdicts.reason, held.rule)
        ELSE concat_ws(' ', verdicts.reason, failures.told)
    END,
    CASE WHEN held.stands_instead THEN jsonb_build_object('rule', held.rule) ELSE verdicts.detail END,
    CASE WHEN held.stands_instead THEN jsonb_build_object('rule', held.rule) ELSE verdicts.facts END,
    -- what was seen before the subject was last read, and decided
    least(subjects.data_as_of, (verdicts.detail ->> 'data_as_of')::timestamptz),
    %(as_of)s,
    subjects.data_as_of
FROM verdicts
LEFT JOIN judging.subjects(%(workspace)s, %(subject_type)s, %(reads_listings_alone)s) AS subjects
    ON verdicts.subject_id = subjects.subject_id
LEFT JOIN reasons
    ON verdicts.reason_code = reasons.reason_code
LEFT JOIN LATERAL (
    SELECT
        string_agg(DISTINCT found.rule, '; ' ORDER BY found.rule) AS rule,
        bool_or(found.resource = any(%(listings)s)) AS stands_instead
    FROM staging.held_back AS found
    WHERE
        found.workspace = %(workspace)s
        AND found.subject_id IN (verdicts.subject_id, '')
        AND found.resource = any(%(rests_on)s)
) AS held ON reasons.status <> 'not_applicable'
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
