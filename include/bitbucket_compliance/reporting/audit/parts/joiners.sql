-- Purpose: who became a member in the period.

SELECT joiners.*
FROM compliance.joiners AS joiners
WHERE
    joiners.workspace = %(workspace)s
    AND joiners.first_seen_at >= %(starts_at)s
    AND joiners.first_seen_at < %(ends_at)s
ORDER BY joiners.first_seen_at, joiners.member_id;
