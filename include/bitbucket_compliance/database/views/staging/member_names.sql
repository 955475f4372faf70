-- Purpose: the account ids and nicknames that accounts have or were seen with as members, in lower case: leaving and
-- another nickname take none away.

CREATE VIEW staging.member_names AS
SELECT
    members.workspace,
    members.member_id,
    lower(names.name) AS name
FROM staging.members AS members
CROSS JOIN LATERAL (VALUES (members.account_id), (members.nickname)) AS names (name)
WHERE names.name IS NOT null
UNION
SELECT
    objects.workspace,
    objects.object_key AS member_id,
    lower(names.name) AS name
FROM landing.objects AS objects
CROSS JOIN
    LATERAL (VALUES (objects.body #>> '{user,account_id}'), (objects.body #>> '{user,nickname}')) AS names (name)
WHERE objects.resource = 'members' AND names.name IS NOT null;
