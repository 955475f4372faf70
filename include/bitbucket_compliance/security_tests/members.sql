-- Purpose: members of the workspace.

SELECT
    members.member_id,
    members.account_id,
    members.display_name,
    members.member_type,
    members.data_as_of
FROM staging.members AS members
WHERE members.workspace = %(workspace)s
ORDER BY members.member_id;
