-- Purpose: what was changed in the policy up to the end of the period.

SELECT history.*
FROM compliance.policy_history AS history
WHERE
    (history.workspace = %(workspace)s OR history.workspace IS null)
    AND history.happened_at < %(ends_at)s
ORDER BY history.happened_at, history.entry_id;
