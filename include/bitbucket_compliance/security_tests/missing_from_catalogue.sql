-- Purpose: a test or a reason that this version knows and the published catalogue lacks.

SELECT
    wanted.test_id,
    wanted.reason_code
FROM unnest(%(test_ids)s::text[], %(reason_codes)s::text[]) AS wanted (test_id, reason_code)
WHERE
    NOT EXISTS (SELECT 1 FROM compliance.tests AS tests WHERE tests.test_id = wanted.test_id)
    OR NOT EXISTS (
        SELECT 1
        FROM compliance.reason_codes AS codes
        WHERE codes.test_id = wanted.test_id AND codes.reason_code = wanted.reason_code
    )
ORDER BY wanted.test_id ASC, wanted.reason_code ASC
LIMIT 1;
