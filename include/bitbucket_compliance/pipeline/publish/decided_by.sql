-- Purpose: for each test that settings can decide, by what its subjects were decided, as a sentence.

SELECT
    counted.test_id,
    counted.summary
FROM compliance.decided_by AS counted
WHERE counted.workspace = %(workspace)s AND counted.test_id = any(%(tests_of_settings)s)
ORDER BY counted.test_id;
