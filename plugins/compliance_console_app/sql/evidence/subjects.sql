-- Purpose: the subjects that evidence covers, as they were frozen; the rows of an export are not shown.

SELECT
    covered.subject_type,
    covered.subject_id,
    coalesce(covered.subject_name, covered.subject_id) AS subject_name
FROM registry.evidence_subjects AS covered
WHERE covered.evidence_id = %(key)s::uuid
ORDER BY covered.subject_name ASC, covered.subject_id ASC
LIMIT %(limit)s;
