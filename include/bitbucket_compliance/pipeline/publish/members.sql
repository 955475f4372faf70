-- Purpose: the access review, with how the roster names each member.

SELECT
    members.workspace,
    members.member_id,
    members.account_id,
    members.display_name,
    members.nickname,
    members.member_type,
    members.role,
    matches.matched_by,
    members.data_as_of,
    members.added_on,
    members.last_accessed,
    %(workspace_id)s AS workspace_id
FROM staging.members AS members
LEFT JOIN unnest(%(matched_members)s::text[], %(matched_by)s::text[]) AS matches (member_id, matched_by)
    ON members.member_id = matches.member_id
WHERE members.workspace = %(workspace)s;
