-- Purpose: the results that stood on a day of the period, each as long as it stood unchanged.

SELECT history.*
FROM compliance.result_history AS history
WHERE
    history.workspace = %(workspace)s
    AND history.valid_from < %(ends_at)s
    AND (history.valid_to IS null OR history.valid_to >= %(starts_at)s)
ORDER BY history.test_id, history.subject_id, history.valid_from;
