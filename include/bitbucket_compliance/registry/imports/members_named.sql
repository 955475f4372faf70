-- Purpose: how many members of the workspaces that were read a declared table names, by account id or confirmed
-- address.

SELECT
    count(*) FILTER (
        WHERE
        members.account_id = any(%(account_ids)s::text[])
        OR EXISTS (
            SELECT 1 FROM staging.member_emails AS confirmed
            WHERE
                confirmed.workspace = members.workspace
                AND confirmed.member_id = members.member_id
                AND confirmed.email = any(%(emails)s::text[])
        )
    )::integer AS matched,
    count(*)::integer AS members
FROM staging.members AS members
WHERE members.member_type IS DISTINCT FROM 'app_user';
