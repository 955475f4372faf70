-- Purpose: stage the listed members with their roles, and forget those that a complete listing no longer names.

WITH listed AS (
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
        AND members.run_id = %(run_id)s
),

forgotten AS (
    DELETE FROM staging.members AS staged
    WHERE
        staged.workspace = %(workspace)s
        AND EXISTS (
            SELECT 1
            FROM landing.calls AS calls
            WHERE
                calls.workspace = staged.workspace
                AND calls.run_id = %(run_id)s
                AND calls.resource = 'members'
                AND calls.complete
        )
        AND NOT EXISTS (SELECT 1 FROM listed WHERE listed.member_id = staged.member_id)
)

INSERT INTO staging.members (
    workspace, member_id, account_id, display_name, nickname, member_type, role, added_on, last_accessed, data_as_of
)
SELECT
    listed.workspace,
    listed.member_id,
    listed.account_id,
    listed.display_name,
    listed.nickname,
    listed.member_type,
    listed.role,
    listed.added_on,
    listed.last_accessed,
    listed.data_as_of
FROM listed
ON CONFLICT (workspace, member_id) DO UPDATE
    SET
        account_id = excluded.account_id,
        display_name = excluded.display_name,
        nickname = excluded.nickname,
        member_type = excluded.member_type,
        role = excluded.role,
        added_on = excluded.added_on,
        last_accessed = excluded.last_accessed,
        data_as_of = excluded.data_as_of;
