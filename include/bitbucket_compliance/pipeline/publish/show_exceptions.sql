-- Purpose: let each open finding of the workspace show the exception that covers it, also while it can't be read, and
-- all other results none. Where several do, the one that holds longest.

WITH covering AS (
    SELECT DISTINCT ON (subjects.test_id, subjects.subject_id)
        subjects.test_id,
        subjects.subject_id,
        subjects.exception_id,
        subjects.facts_hash,
        states.expires_at
    FROM registry.exception_subjects AS subjects
    INNER JOIN registry.exception_states AS states ON subjects.exception_id = states.exception_id
    WHERE
        subjects.workspace = %(workspace)s
        AND states.status = 'accepted'
        AND states.expires_at > %(published_at)s
        AND NOT EXISTS (
            SELECT 1
            FROM compliance.exception_endings AS endings
            WHERE endings.exception_id = subjects.exception_id AND endings.subject_id = subjects.subject_id
        )
    ORDER BY subjects.test_id ASC, subjects.subject_id ASC, states.expires_at DESC, subjects.exception_id ASC
),

wanted AS (
    SELECT
        results.test_id,
        results.subject_id,
        covering.exception_id,
        covering.expires_at
    FROM compliance.results AS results
    LEFT JOIN covering
        ON
            results.test_id = covering.test_id
            AND results.subject_id = covering.subject_id
            AND results.failing_since IS NOT null
            AND (results.status <> 'failing' OR results.facts_hash = covering.facts_hash)
    WHERE
        results.workspace = %(workspace)s
        AND (
            results.exception_id IS DISTINCT FROM covering.exception_id
            OR results.exception_expires_at IS DISTINCT FROM covering.expires_at
        )
)

UPDATE compliance.results AS results
SET exception_id = wanted.exception_id, exception_expires_at = wanted.expires_at
FROM wanted
WHERE
    results.workspace = %(workspace)s
    AND results.test_id = wanted.test_id
    AND results.subject_id = wanted.subject_id;
