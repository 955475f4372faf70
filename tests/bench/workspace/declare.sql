-- Purpose: what people declared before the first run: roster, classification, evidence, accepted exceptions.

INSERT INTO registry.imports (kind, file_name, file_sha256, row_count, imported_by)
VALUES ('roster', 'roster.csv', 'bench', %(members)s, 'os:bench');

-- as many rows as members: where a member is not on it, or is an app, somebody is who is no member
INSERT INTO registry.people (import_id, line, email, name, status, end_date, account_id)
SELECT
    imports.import_id,
    members.number + 2,
    CASE
        WHEN people.is_member AND members.declared_by = 'email' THEN members.email
        ELSE 'somebody-' || members.number || '@example.com'
    END,
    CASE WHEN people.is_member THEN members.display_name ELSE 'Somebody ' || members.number END,
    CASE
        WHEN mod(members.number, 50) = 46 THEN 'terminated'
        WHEN mod(members.number, 50) = 45 THEN 'on_leave'
        ELSE 'active'
    END,
    CASE WHEN mod(members.number, 50) = 46 THEN current_date - 30 END,
    CASE WHEN people.is_member AND members.declared_by = 'account_id' THEN members.account_id END
FROM bench.members AS members
INNER JOIN registry.imports AS imports ON imports.kind = 'roster' AND imports.file_sha256 = 'bench'
CROSS JOIN LATERAL (
    SELECT members.declared_by <> 'not' AND members.member_type = 'user' AS is_member
) AS people;

-- one repository in fifteen by itself, two projects of three by their key, the rest by patterns or not at all
INSERT INTO registry.classification (workspace, target_type, target, classification, sensitivity, owner, declared_by)
SELECT
    %(workspace)s,
    'repository',
    CASE WHEN mod(number, 2) = 0 THEN slug ELSE repository_id END,
    CASE WHEN mod(number, 45) = 0 THEN 'non_production' ELSE 'production' END,
    (ARRAY['internal', 'confidential', 'public'])[1 + mod(number, 3)],
    'team-' || mod(number, 9),
    'bench'
FROM bench.repositories
WHERE mod(number, 15) = 0;
INSERT INTO registry.classification (workspace, target_type, target, classification, sensitivity, owner, declared_by)
SELECT DISTINCT
    null::text,
    'project',
    lower(project_key),
    'production',
    'internal',
    'owner of ' || project_key,
    'bench'
FROM bench.repositories
WHERE mod(number / 25, 3) <> 2;
INSERT INTO registry.classification (target_type, target, classification, declared_by)
VALUES
('pattern', 'sandbox-*', 'non_production', 'bench'),
('pattern', 'api-*', 'production', 'bench'),
('pattern', 'infra-*', 'production', 'bench'),
('pattern', '*-archive', 'non_production', 'bench'),
('pattern', 'lib-1*', 'production', 'bench');

INSERT INTO registry.policy_versions (policy_version, body) VALUES ('bench', '{}') ON CONFLICT DO NOTHING;

-- the two-step verification export, and the screenshot that shows that it is enforced
WITH exported AS (
    INSERT INTO registry.evidence (
        test_id, scope, workspace, kind, captured_on, submitted_by, file_name, file_sha256
    )
    VALUES ('user_mfa_enabled', 'members', %(workspace)s, 'mfa_export', current_date - 3, 'os:bench', 'mfa.csv', 'mfa')
    RETURNING evidence_id
),

lines AS (
    INSERT INTO registry.evidence_members (evidence_id, line, email, account_id, mfa_enabled)
    SELECT
        exported.evidence_id,
        members.number + 2,
        members.email,
        members.account_id,
        mod(members.number, 40) <> 0
    FROM exported
    CROSS JOIN bench.members AS members
    WHERE mod(members.number, 40) <> 1
)

INSERT INTO registry.evidence_decisions (evidence_id, decision, decided_by, policy_version)
SELECT
    exported.evidence_id,
    'accepted',
    'os:somebody',
    'bench'
FROM exported;

WITH shown AS (
    INSERT INTO registry.evidence (test_id, scope, workspace, kind, captured_on, submitted_by, file_name, file_sha256)
    VALUES
    ('workspace_mfa_enforced', 'workspace', %(workspace)s, 'screenshot', current_date - 3, 'os:bench', 'p.png', 'png')
    RETURNING evidence_id
),

decided AS (
    INSERT INTO registry.evidence_decisions (evidence_id, decision, decided_by, policy_version)
    SELECT
        shown.evidence_id,
        'accepted',
        'os:somebody',
        'bench'
    FROM shown
)

INSERT INTO registry.evidence_subjects (evidence_id, workspace, subject_type, subject_id)
SELECT
    shown.evidence_id,
    %(workspace)s,
    'workspace',
    bench.identity(%(workspace)s)
FROM shown;

-- rules that repositories inherit of their projects
WITH projects AS (
    SELECT DISTINCT
        tests.test_id,
        repositories.project_key
    FROM bench.repositories AS repositories
    CROSS JOIN (
        VALUES ('status_checks_required'), ('peer_review_required'), ('branch_protection_enforced')
    ) AS tests (test_id)
    WHERE repositories.kind = 'inherited'
),

shown AS (
    INSERT INTO registry.evidence (
        test_id, scope, workspace, kind, captured_on, targets, submitted_by, file_name, file_sha256
    )
    SELECT
        projects.test_id,
        'project',
        %(workspace)s,
        'screenshot',
        current_date - 20,
        ARRAY[lower(projects.project_key)],
        'os:bench',
        projects.project_key || '.png',
        'png'
    FROM projects
    RETURNING evidence_id, targets
),

decided AS (
    INSERT INTO registry.evidence_decisions (evidence_id, decision, decided_by, policy_version)
    SELECT
        shown.evidence_id,
        'accepted',
        'os:somebody',
        'bench'
    FROM shown
)

INSERT INTO registry.evidence_subjects (evidence_id, workspace, subject_type, subject_id)
SELECT
    shown.evidence_id,
    %(workspace)s,
    'repository',
    repositories.repository_id
FROM shown
INNER JOIN bench.repositories AS repositories ON lower(repositories.project_key) = any(shown.targets);

-- the risk that half of the open repositories can be merged into without a review is accepted: the facts are no rules
WITH covered AS (
    SELECT
        gen_random_uuid() AS exception_id,
        repositories.repository_id
    FROM bench.repositories AS repositories
    WHERE repositories.kind = 'open' AND mod(repositories.number, 40) = 18
),

requested AS (
    INSERT INTO registry.exceptions (
        exception_id, workspace, test_id, scope, target, owner, reason, expires_at, requested_by
    )
    SELECT
        covered.exception_id,
        %(workspace)s,
        'peer_review_required',
        'subject',
        covered.repository_id,
        'os:owner',
        'one person works on it',
        now() + interval '60 days',
        'os:owner'
    FROM covered
),

decided AS (
    INSERT INTO registry.exception_decisions (exception_id, decision, decided_by, policy_version)
    SELECT
        covered.exception_id,
        'accepted',
        'os:somebody',
        'bench'
    FROM covered
)

INSERT INTO registry.exception_subjects (exception_id, workspace, test_id, subject_id, facts_hash)
SELECT
    covered.exception_id,
    %(workspace)s,
    'peer_review_required',
    covered.repository_id,
    encode(sha256(convert_to('{"rules": []}'::jsonb::text, 'UTF8')), 'hex')
FROM covered;
