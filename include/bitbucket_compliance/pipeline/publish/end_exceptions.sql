-- Purpose: note, once for each subject, that an accepted exception covers it no more: it expired, it was withdrawn, the
-- finding ended, or the subject fails for other facts. An interlude of the finding ends nothing.

INSERT INTO compliance.exception_endings (
    exception_id,
    workspace,
    test_id,
    subject_id,
    facts_hash,
    ended_at,
    cause,
    status_then,
    facts_hash_then,
    run_id
)
SELECT
    subjects.exception_id,
    subjects.workspace,
    subjects.test_id,
    subjects.subject_id,
    subjects.facts_hash,
    CASE
        WHEN states.status <> 'withdrawn' AND states.expires_at <= %(published_at)s THEN states.expires_at
        ELSE %(published_at)s
    END,
    CASE
        -- what has expired can't be withdrawn any more, so a withdrawal came first
        WHEN states.status = 'withdrawn' THEN 'withdrawn'
        WHEN states.expires_at <= %(published_at)s THEN 'expired'
        WHEN findings.finding_id IS null THEN 'finding_ended'
        ELSE 'facts_changed'
    END,
    results.status AS status_then,
    results.facts_hash AS facts_hash_then,
    %(run_id)s
FROM registry.exception_subjects AS subjects
INNER JOIN registry.exception_states AS states ON subjects.exception_id = states.exception_id
LEFT JOIN compliance.results AS results
    ON
        subjects.workspace = results.workspace
        AND subjects.test_id = results.test_id
        AND subjects.subject_id = results.subject_id
LEFT JOIN compliance.finding_records AS findings
    ON
        subjects.workspace = findings.workspace
        AND subjects.test_id = findings.test_id
        AND subjects.subject_id = findings.subject_id
        AND findings.ended_at IS null
WHERE
    subjects.workspace = %(workspace)s
    AND (
        states.status = 'withdrawn'
        OR states.expires_at <= %(published_at)s
        OR findings.finding_id IS null
        OR (results.status = 'failing' AND results.facts_hash <> subjects.facts_hash)
    )
-- The first ending stands. No look at what is there already: this table may grow by every row that is looked at.
ON CONFLICT (exception_id, subject_id) DO NOTHING;
