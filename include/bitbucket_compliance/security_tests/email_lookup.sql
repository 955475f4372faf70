-- Purpose: how the look-up of declared addresses ended in the newest run; no row: there was nothing to look up.

SELECT coverage.outcome
FROM staging.coverage AS coverage
WHERE
    coverage.workspace = %(workspace)s
    AND coverage.repository_id = ''
    AND coverage.resource = 'member_emails';
