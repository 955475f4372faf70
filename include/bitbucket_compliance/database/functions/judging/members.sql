-- Purpose: the members of a workspace, apps too.

CREATE FUNCTION judging.members(in_workspace text)
RETURNS TABLE (member_id text, account_id text, display_name text, member_type text)
LANGUAGE sql STABLE
AS $members$
    SELECT
        members.member_id,
        members.account_id,
        members.display_name,
        members.member_type
    FROM staging.members AS members
    WHERE members.workspace = in_workspace
    ORDER BY members.member_id ASC
$members$;
