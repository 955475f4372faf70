-- Purpose: what the listings of the workspace bring, in the session's tables that land_objects and land_calls read.

INSERT INTO incoming_objects (resource, repository_id, object_key, body, fetched_at)
SELECT
    'repositories',
    null,
    repositories.repository_id,
    jsonb_build_object(
        'uuid', repositories.repository_id,
        'slug', repositories.slug,
        'name', initcap(repositories.slug),
        'full_name', %(workspace)s || '/' || repositories.slug,
        'is_private', repositories.is_private,
        'language', 'python',
        'mainbranch', CASE
            WHEN repositories.main_branch IS NOT null THEN jsonb_build_object('name', repositories.main_branch)
        END,
        'project', jsonb_build_object('key', repositories.project_key),
        'created_on', repositories.day - interval '900 days',
        'updated_on', repositories.updated_on,
        'workspace', jsonb_build_object('uuid', bench.identity(%(workspace)s), 'slug', %(workspace)s, 'name', 'Bench')
    ),
    %(fetched_at)s
FROM bench.repositories AS repositories;

INSERT INTO incoming_objects (resource, object_key, body, fetched_at)
SELECT
    'members',
    members.member_id,
    jsonb_build_object(
        'user', jsonb_build_object(
            'uuid', members.member_id,
            'account_id', members.account_id,
            'display_name', members.display_name,
            'nickname', lower(members.display_name),
            'type', members.member_type
        ),
        'workspace', jsonb_build_object('uuid', bench.identity(%(workspace)s), 'slug', %(workspace)s, 'name', 'Bench')
    ),
    %(fetched_at)s
FROM bench.members AS members
UNION ALL
SELECT
    'member_roles',
    members.member_id,
    jsonb_build_object(
        'permission', CASE WHEN mod(members.number, 100) = 0 THEN 'owner' ELSE 'member' END,
        'user', jsonb_build_object('uuid', members.member_id)
    ),
    %(fetched_at)s
FROM bench.members AS members
UNION ALL
SELECT
    'member_emails',
    members.email || ' ' || members.member_id,
    jsonb_build_object('user', jsonb_build_object('email', members.email, 'uuid', members.member_id)),
    %(fetched_at)s
FROM bench.members AS members
WHERE members.declared_by = 'email' AND members.member_type = 'user'
UNION ALL
SELECT
    'workspace',
    bench.identity(%(workspace)s),
    jsonb_build_object('uuid', bench.identity(%(workspace)s), 'slug', %(workspace)s, 'name', 'Bench'),
    %(fetched_at)s;

UPDATE incoming_objects SET body_hash = encode(sha256(convert_to(body::text, 'UTF8')), 'hex');

-- 100 objects a page
INSERT INTO incoming_calls (
    resource, repository_id, item_key, outcome, requests, items, listing_size, repeated_items, reread, fetched_at
)
SELECT
    objects.resource,
    '',
    '',
    'ok',
    ceil(count(*) / 100.0),
    count(*),
    count(*),
    0,
    false,
    %(fetched_at)s
FROM incoming_objects AS objects
WHERE objects.resource <> 'member_emails'
GROUP BY objects.resource
UNION ALL
-- 90 addresses a call
SELECT
    'member_emails',
    '',
    (objects.place / 90)::text,
    'ok',
    1,
    count(*),
    count(*),
    0,
    false,
    %(fetched_at)s
FROM (
    SELECT row_number() OVER (ORDER BY object_key) - 1 AS place
    FROM incoming_objects
    WHERE resource = 'member_emails'
) AS objects
GROUP BY objects.place / 90;

UPDATE integration.runs
SET scopes_granted = ARRAY['account', 'pipeline', 'pullrequest', 'repository', 'repository:admin', 'webhook'],
    identity_role = 'owner'
WHERE run_id = %(run_id)s;

ANALYZE incoming_objects;
