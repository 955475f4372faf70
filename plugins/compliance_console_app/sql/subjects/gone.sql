-- Purpose: a subject that is in no inventory any more, as its history names it, and when it was last judged.

SELECT
    history.subject_id,
    coalesce(history.subject_name, history.subject_id) AS subject_name,
    history.valid_from AS gone_since
FROM compliance.result_history AS history
INNER JOIN compliance.tests AS tests ON history.test_id = tests.test_id
WHERE
    history.workspace = %(workspace)s
    AND tests.subject_type = %(subject_type)s
    AND history.subject_id = %(key)s
ORDER BY history.valid_from DESC
LIMIT 1;
