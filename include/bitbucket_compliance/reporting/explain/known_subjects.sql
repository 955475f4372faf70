-- Purpose: the subjects of a test that history knows, with the time it knows them for.

SELECT
    history.workspace,
    history.subject_id,
    (array_agg(history.subject_name ORDER BY history.valid_from DESC))[1] AS subject_name,
    min(history.valid_from) AS known_from
FROM compliance.result_history AS history
WHERE
    history.test_id = %(test_id)s
    AND (%(workspace)s::text IS null OR lower(history.workspace) = lower(%(workspace)s::text))
GROUP BY history.workspace, history.subject_id
ORDER BY history.workspace ASC, subject_name ASC;
