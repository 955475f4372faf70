-- Purpose: how the look-up of declared addresses ended in the newest run; no row: there was nothing to look up.

CREATE FUNCTION judging.email_lookup(in_workspace text) RETURNS TABLE (outcome text)
LANGUAGE sql STABLE
AS $email_lookup$
    SELECT coverage.outcome
    FROM staging.coverage AS coverage
    WHERE
        coverage.workspace = in_workspace
        AND coverage.repository_id = ''
        AND coverage.resource = 'member_emails'
$email_lookup$;
