-- Purpose: the subjects of some tests of which merges went around a rule that was in force, the most first.

SELECT
    results.test_id,
    results.test_title,
    results.subject_type,
    results.subject_id,
    coalesce(results.subject_name, results.subject_id) AS subject_name,
    results.bypassed,
    results.reason
FROM compliance.current_results AS results
WHERE
    results.workspace = %(workspace)s
    AND results.test_id = any(%(test_ids)s::text[])
    AND results.bypassed > 0
ORDER BY results.bypassed DESC, subject_name ASC
LIMIT %(limit)s;
