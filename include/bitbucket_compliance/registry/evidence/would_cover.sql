-- Purpose: the subjects that were frozen for evidence, with their results of now in the test that it is for.

SELECT
    frozen.subject_id,
    coalesce(frozen.subject_name, frozen.subject_id) AS subject_name,
    results.status,
    results.severity
FROM registry.evidence_subjects AS frozen
INNER JOIN registry.evidence AS evidence ON frozen.evidence_id = evidence.evidence_id
LEFT JOIN compliance.current_results AS results
    ON
        frozen.workspace = results.workspace
        AND evidence.test_id = results.test_id
        AND frozen.subject_id = results.subject_id
WHERE frozen.evidence_id = %(evidence_id)s::uuid
ORDER BY frozen.subject_name ASC, frozen.subject_id ASC;
