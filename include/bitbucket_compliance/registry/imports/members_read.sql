-- Purpose: the people of the workspaces that were read, each with the addresses that Bitbucket confirmed.

SELECT
    members.workspace,
    members.member_id,
    members.account_id,
    array_remove(array_agg(confirmed.email ORDER BY confirmed.email), null) AS emails
FROM staging.members AS members
LEFT JOIN staging.member_emails AS confirmed
    ON members.workspace = confirmed.workspace AND members.member_id = confirmed.member_id
WHERE members.member_type IS DISTINCT FROM 'app_user'
GROUP BY members.workspace, members.member_id, members.account_id;
