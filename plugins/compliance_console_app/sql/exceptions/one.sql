-- Purpose: one exception, with the name of its subject where it is about one.

SELECT
    exceptions.*,
    coalesce(tests.test_title, exceptions.test_id) AS test_title,
    tests.subject_type,
    coalesce(results.subject_name, exceptions.target) AS target_name
FROM compliance.exceptions AS exceptions
LEFT JOIN compliance.tests AS tests ON exceptions.test_id = tests.test_id
LEFT JOIN compliance.current_results AS results
    ON
        exceptions.workspace = results.workspace
        AND exceptions.test_id = results.test_id
        AND exceptions.target = results.subject_id
WHERE exceptions.exception_id = %(key)s::uuid;
