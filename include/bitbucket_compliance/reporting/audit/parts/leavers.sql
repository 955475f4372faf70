-- Purpose: who left by the end of the period, or was to leave in it, and what became of their access.

SELECT leavers.*
FROM compliance.leavers AS leavers
WHERE
    leavers.workspace = %(workspace)s
    AND coalesce(leavers.last_working_day <= %(last_day)s, true)
ORDER BY leavers.last_working_day, leavers.leaver_id;
