-- Purpose: what the made-up workspace holds, as tables from which landing is filled. Nothing in it is random: a body is
-- the same each time it is asked for, until a day of the benchmark changes it.

CREATE SCHEMA bench;
GRANT USAGE ON SCHEMA bench TO compliance_pipeline;
ALTER DEFAULT PRIVILEGES IN SCHEMA bench GRANT ALL ON TABLES TO compliance_pipeline;

CREATE FUNCTION bench.identity(name text) RETURNS text
LANGUAGE sql IMMUTABLE
AS $identity$
    SELECT '{' || md5(name)::uuid::text || '}'
$identity$;

-- kind: what a repository is made to show; a twentieth of all is the smallest share but for the broken ones.
CREATE TABLE bench.repositories AS
SELECT
    numbers.number,
    bench.identity('repository ' || numbers.number) AS repository_id,
    CASE
        WHEN mod(numbers.number, 30) = 7 THEN 'sandbox-' || numbers.number
        ELSE (ARRAY['api-', 'web-', 'job-', 'lib-', 'infra-'])[1 + mod(numbers.number, 5)] || numbers.number
    END AS slug,
    kinds.kind,
    CASE
        WHEN kinds.kind = 'inherited' THEN 'SHARED' || (numbers.number / 400)
        ELSE 'PRJ' || (numbers.number / 25)
    END AS project_key,
    CASE WHEN kinds.kind <> 'empty' THEN 'main' END AS main_branch,
    mod(numbers.number, 17) <> 3 AS is_private,
    date_trunc('day', now()) AS day,
    -- what the days change
    true AS deletion_prevented,
    true AS merge_checks_enforced,
    date_trunc('day', now()) - make_interval(days => mod(numbers.number, 60), hours => 1) AS updated_on
FROM generate_series(0, %(repositories)s - 1) AS numbers (number)
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN mod(numbers.number, 100) = 19 THEN 'broken'
        WHEN mod(numbers.number, 20) IN (8, 9) THEN 'by_model'
        WHEN mod(numbers.number, 20) = 10 THEN 'advisory'
        WHEN mod(numbers.number, 20) = 11 THEN 'other_branch'
        WHEN mod(numbers.number, 20) = 12 THEN 'hidden_clean'
        WHEN mod(numbers.number, 20) = 13 THEN 'hidden_unbuilt'
        WHEN mod(numbers.number, 20) = 14 THEN 'hidden_unreviewed'
        WHEN mod(numbers.number, 20) = 15 THEN 'hidden_quiet'
        WHEN mod(numbers.number, 20) = 16 THEN 'empty'
        WHEN mod(numbers.number, 20) = 17 THEN 'inherited'
        WHEN mod(numbers.number, 20) = 18 THEN 'open'
        ELSE 'protected'
    END AS kind
) AS kinds;
CREATE UNIQUE INDEX repositories_by_id ON bench.repositories (repository_id);

CREATE TABLE bench.members AS
SELECT
    numbers.number,
    bench.identity('member ' || numbers.number) AS member_id,
    CASE WHEN mod(numbers.number, 50) = 49 THEN 'app_user' ELSE 'user' END AS member_type,
    'account-' || numbers.number AS account_id,
    'member-' || numbers.number || '@example.com' AS email,
    'Member ' || numbers.number AS display_name,
    -- how the roster names a person
    CASE
        WHEN mod(numbers.number, 50) = 48 THEN 'not'
        WHEN mod(numbers.number, 50) = 47 THEN 'name'
        WHEN mod(numbers.number, 2) = 0 THEN 'account_id'
        ELSE 'email'
    END AS declared_by
FROM generate_series(0, %(members)s - 1) AS numbers (number);

-- restrictions: branch is a pattern, or a branch type of the branching model
CREATE TABLE bench.restrictions (kind text, place integer, restriction text, branch text, value integer);
INSERT INTO bench.restrictions
SELECT
    kinds.kind,
    rules.place,
    rules.restriction,
    kinds.branch,
    rules.value
FROM (
    VALUES ('protected', 'main'), ('by_model', 'production'), ('advisory', 'main'), ('other_branch', 'stable')
) AS kinds (kind, branch)
CROSS JOIN (
    VALUES
    (1, 'push', null), (2, 'force', null), (3, 'delete', null), (4, 'enforce_merge_checks', null),
    (5, 'require_passing_builds_to_merge', 1), (6, 'require_approvals_to_merge', 1),
    (7, 'require_default_reviewer_approvals_to_merge', 1), (8, 'require_tasks_to_be_completed', null)
) AS rules (place, restriction, value)
WHERE NOT (kinds.kind = 'advisory' AND rules.restriction = 'enforce_merge_checks');
INSERT INTO bench.restrictions
SELECT
    kinds.kind,
    rules.place,
    rules.restriction,
    'release/*',
    rules.value
FROM (
    VALUES ('protected'), ('by_model'), ('advisory'), ('other_branch'), ('open')
) AS kinds (kind)
CROSS JOIN (
    VALUES (9, 'push', null), (10, 'force', null), (11, 'delete', null), (12, 'require_approvals_to_merge', 2)
) AS rules (place, restriction, value);

-- outcomes other than ok
CREATE TABLE bench.outcomes (kind text, resource text, outcome text, http_status integer);
INSERT INTO bench.outcomes
SELECT
    hidden.kind,
    resources.resource,
    'permission_missing',
    403
FROM (
    VALUES ('hidden_clean'), ('hidden_unbuilt'), ('hidden_unreviewed'), ('hidden_quiet')
) AS hidden (kind)
CROSS JOIN (VALUES ('branch_restrictions'), ('pipelines_config')) AS resources (resource);
INSERT INTO bench.outcomes
VALUES
('broken', 'branch_restrictions', 'failed', 500),
('broken', 'pull_requests', 'failed', 500),
('open', 'pipelines_config', 'not_found', 404);

ANALYZE bench.repositories;
ANALYZE bench.members;
