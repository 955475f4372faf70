-- Purpose: every interval of the verdicts on one subject since a moment, test by test, the oldest first. An interval
-- with reason code removed_or_invisible or test_disabled says that nothing was published then.

SELECT
    history.test_id,
    history.status,
    history.reason_code,
    history.reason,
    greatest(history.valid_from, %(moment)s::timestamptz) AS begins,
    least(coalesce(history.valid_to, now()), now()) AS ends,
    history.valid_from,
    history.valid_to
FROM compliance.tests AS tests
INNER JOIN compliance.result_history AS history
    ON
        tests.test_id = history.test_id
        AND history.workspace = %(workspace)s
        AND history.subject_id = %(subject_id)s
        AND (history.valid_to IS null OR history.valid_to > %(moment)s::timestamptz)
WHERE tests.subject_type = %(subject_type)s
ORDER BY history.test_id ASC, history.valid_from ASC
LIMIT %(limit)s;
