-- Purpose: everybody who was ever seen as a member, with the account id and name of the newest interval.

SELECT DISTINCT ON (history.member_id)
    history.member_id,
    history.account_id,
    history.display_name,
    history.member_type
FROM compliance.member_history AS history
WHERE history.workspace = %(workspace)s
ORDER BY history.member_id ASC, history.valid_from DESC;
