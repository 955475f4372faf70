-- Purpose: end the absence of subjects and tests that came back.

UPDATE compliance.result_history AS history
SET valid_to = %(published_at)s
FROM compliance.results AS results
WHERE
    history.workspace = %(workspace)s
    AND history.valid_to IS null
    AND history.reason_code IN ('removed_or_invisible', 'test_disabled')
    AND results.workspace = history.workspace
    AND results.test_id = history.test_id
    AND results.subject_id = history.subject_id;
