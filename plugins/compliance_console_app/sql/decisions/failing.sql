-- Purpose: how many subjects of a test fail, in one workspace or, where none is named, in all.

SELECT count(*) AS failing
FROM compliance.current_results
WHERE
    test_id = %(test_id)s
    AND status = 'failing'
    AND (%(workspace)s::text IS null OR lower(workspace) = lower(%(workspace)s));
