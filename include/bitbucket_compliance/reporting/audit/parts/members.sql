-- Purpose: who was a member on a day of the period, from when to when, in which role.

SELECT history.*
FROM compliance.member_history AS history
WHERE
    history.workspace = %(workspace)s
    AND history.valid_from < %(ends_at)s
    AND (history.valid_to IS null OR history.valid_to >= %(starts_at)s)
ORDER BY history.member_id, history.valid_from;
