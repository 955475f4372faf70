-- Purpose: the listed members with their roles.

SELECT
    members.workspace,
    members.object_key AS member_id,
    members.body #>> '{user,account_id}' AS account_id,
    members.body #>> '{user,display_name}' AS display_name,
    members.body #>> '{user,nickname}' AS nickname,
    members.body #>> '{user,type}' AS member_type,
    roles.body ->> 'permission' AS role,
    (roles.body ->> 'added_on')::timestamptz AS added_on,
    (roles.body ->> 'last_accessed')::timestamptz AS last_accessed,
    members.fetched_at AS data_as_of
FROM landing.run_objects AS members
LEFT JOIN landing.run_objects AS roles
    ON
        members.workspace = roles.workspace
        AND members.object_key = roles.object_key
        AND members.run_id = roles.run_id
        AND roles.resource = 'member_roles'
WHERE
    members.workspace = %(workspace)s
    AND members.resource = 'members'
    AND members.run_id = %(run_id)s;
