-- Purpose: a workspace with a year of daily runs behind it, straight into what publish writes. Nothing in it is random:
-- who changes on which day, and into what, comes of a hash.

CREATE SCHEMA bench;
GRANT USAGE ON SCHEMA bench TO compliance_pipeline;
ALTER DEFAULT PRIVILEGES IN SCHEMA bench GRANT ALL ON TABLES TO compliance_pipeline;

CREATE FUNCTION bench.identity(name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '{' || md5(name)::uuid::text || '}';

-- A number from 0 to 9999 that looks like chance.
CREATE FUNCTION bench.dice(what text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (hashtextextended(what, 0) & 2147483647) %% 10000;

INSERT INTO integration.runs (
    run_id, workspace, started_at, finished_at, status, quality, policy_version, repositories, requests_spent, coverage,
    repositories_read, repositories_left
)
SELECT
    'run ' || days.day,
    %(workspace)s,
    published.at - interval '20 minutes',
    published.at,
    'published',
    'passed',
    %(policy_version)s,
    %(repositories)s,
    5000,
    '{"branch_restrictions": {"ok": 9000, "permission_missing": 900, "failed": 3}, "pull_requests": {"ok": 9900}}',
    2500,
    0
FROM generate_series(0, %(runs)s - 1) AS days (day)
CROSS JOIN LATERAL (
    SELECT now() - interval '1 hour' - make_interval(days => %(runs)s - 1 - days.day) AS at
) AS published;

INSERT INTO compliance.repositories (
    workspace, repository_id, slug, name, project_key, visibility, language, default_branch, open_pull_requests,
    required_approvals, required_builds, merge_checks_enforced, push_restricted, force_push_prevented,
    deletion_prevented, classification, updated_on, data_as_of
)
SELECT
    %(workspace)s,
    bench.identity('repository ' || numbers.number),
    'repository-' || numbers.number,
    'Repository ' || numbers.number,
    'PRJ' || numbers.number / 25,
    CASE WHEN numbers.number %% 50 = 0 THEN 'public' ELSE 'private' END,
    (ARRAY['python', 'go', 'typescript', 'java'])[1 + numbers.number %% 4],
    'main',
    numbers.number %% 20,
    1,
    1,
    true,
    true,
    true,
    true,
    CASE WHEN numbers.number %% 10 > 0 THEN 'production' END,
    now() - interval '1 day',
    now() - interval '1 hour'
FROM generate_series(1, %(repositories)s) AS numbers (number);

INSERT INTO compliance.members (
    workspace, member_id, account_id, display_name, nickname, member_type, role, matched_by, data_as_of
)
SELECT
    %(workspace)s,
    bench.identity('member ' || numbers.number),
    'account-' || numbers.number,
    'Member ' || numbers.number,
    'member-' || numbers.number,
    CASE WHEN numbers.number %% 50 = 49 THEN 'app_user' ELSE 'user' END,
    CASE WHEN numbers.number <= 5 THEN 'owner' ELSE 'member' END,
    (ARRAY['account_id', 'email', 'email', 'email', 'name', null])[1 + numbers.number %% 6],
    now() - interval '1 hour'
FROM generate_series(1, %(members)s) AS numbers (number);

INSERT INTO compliance.member_employment (workspace, member_id, hr_status, hr_end_date)
SELECT
    members.workspace,
    members.member_id,
    CASE WHEN bench.dice(members.member_id) < 300 THEN 'terminated' ELSE 'active' END,
    CASE WHEN bench.dice(members.member_id) < 300 THEN current_date - 30 END
FROM compliance.members AS members
WHERE members.matched_by IN ('account_id', 'email');

INSERT INTO registry.evidence (test_id, scope, kind, captured_on, submitted_by, file_name, file_sha256)
VALUES ('user_mfa_enabled', 'members', 'mfa_export', current_date - 10, 'os:owner', 'export.csv', 'none');
INSERT INTO registry.policy_versions (policy_version, body) VALUES ('bench', '{}') ON CONFLICT DO NOTHING;
INSERT INTO registry.evidence_decisions (evidence_id, decision, decided_by, policy_version)
SELECT
    evidence_id,
    'accepted',
    'os:approver',
    'bench'
FROM registry.evidence;

CREATE TABLE bench.subjects AS
SELECT
    row_number() OVER () - 1 AS number,
    tests.test_id,
    tests.test_title,
    tests.severity,
    tests.subject_type,
    subjects.subject_id,
    subjects.subject_name
FROM compliance.tests AS tests
INNER JOIN (
    SELECT 'repository' AS subject_type, repository_id AS subject_id, slug AS subject_name FROM compliance.repositories
    UNION ALL
    SELECT 'member' AS subject_type, member_id AS subject_id, display_name AS subject_name FROM compliance.members
    UNION ALL
    SELECT 'workspace' AS subject_type, bench.identity('workspace'), %(workspace)s
) AS subjects ON tests.subject_type = subjects.subject_type
WHERE tests.enabled;
CREATE UNIQUE INDEX subjects_by_number ON bench.subjects (number);

-- The first run decides everything; each later one something else of the given share
CREATE TABLE bench.changes AS
SELECT
    subjects.number,
    0 AS day
FROM bench.subjects AS subjects
UNION
SELECT
    (hashtextextended(days.day || ' ' || places.place, 0) & 2147483647) %% sizes.subjects AS number,
    days.day
FROM (SELECT count(*) AS subjects FROM bench.subjects) AS sizes
CROSS JOIN generate_series(1, %(runs)s - 1) AS days (day)
CROSS JOIN LATERAL generate_series(1, greatest(1, round(sizes.subjects * %(share)s)::integer)) AS places (place);

ANALYZE bench.subjects, bench.changes, integration.runs;

CREATE TABLE bench.told AS
SELECT
    *,
    CASE reasons.dice
        WHEN 'passing' THEN 'protections_in_place'
        WHEN 'failing' THEN (ARRAY['no_matching_rule', 'advisory_only', 'merged_without_peer_approval'])[reasons.which]
        WHEN 'pending' THEN (ARRAY['too_few_merges', 'permission_missing', 'evidence_missing'])[reasons.which]
        WHEN 'error' THEN 'extract_failed'
        ELSE 'non_production'
    END AS reason_code
FROM (
    SELECT
        changes.number,
        changes.day,
        runs.finished_at AS valid_from,
        lead(runs.finished_at) OVER (PARTITION BY changes.number ORDER BY changes.day) AS valid_to,
        CASE
            WHEN rolled.dice < 7000 THEN 'passing'
            WHEN rolled.dice < 8800 THEN 'failing'
            WHEN rolled.dice < 9500 THEN 'pending'
            WHEN rolled.dice < 9700 THEN 'error'
            ELSE 'not_applicable'
        END AS dice,
        1 + rolled.dice %% 3 AS which
    FROM bench.changes AS changes
    INNER JOIN integration.runs AS runs ON 'run ' || changes.day = runs.run_id
    CROSS JOIN LATERAL (SELECT bench.dice(changes.number || ' on ' || changes.day) AS dice) AS rolled
) AS reasons;

ANALYZE bench.told;

INSERT INTO compliance.result_history (
    workspace, test_id, subject_type, subject_id, subject_name, severity, status, basis, reason_code, reason, detail,
    facts_hash, policy_version, run_id, valid_from, valid_to
)
SELECT
    %(workspace)s,
    subjects.test_id,
    subjects.subject_type,
    subjects.subject_id,
    subjects.subject_name,
    subjects.severity,
    told.dice,
    CASE
        WHEN told.dice NOT IN ('passing', 'failing') THEN null
        WHEN subjects.subject_type = 'member' THEN 'evidence'
        ELSE 'configuration'
    END,
    told.reason_code,
    'The rules of ' || subjects.subject_name || ' on its main branch say so: ' || repeat('word ', 12),
    jsonb_build_object(
        'evidence_id', (SELECT evidence.evidence_id FROM registry.evidence AS evidence),
        'direct_push', 'restricted',
        'rules', jsonb_build_array(
            jsonb_build_object('id', told.number * 3, 'kind', 'push', 'pattern', 'main'),
            jsonb_build_object('id', told.number * 3 + 1, 'kind', 'force', 'pattern', 'main'),
            jsonb_build_object('id', told.number * 3 + 2, 'kind', 'enforce_merge_checks', 'pattern', 'main')
        )
    ),
    encode(sha256(convert_to(told.number || ' ' || told.day, 'UTF8')), 'hex'),
    %(policy_version)s,
    'run ' || told.day,
    told.valid_from,
    told.valid_to
FROM bench.told AS told
INNER JOIN bench.subjects AS subjects ON told.number = subjects.number
ORDER BY told.valid_from, told.number;

-- Without figures the join below is planned for a handful of rows.
ANALYZE compliance.result_history;

-- Current results as publish would have left them: a failure goes on through pending and error.
WITH stretches AS (
    SELECT
        told.*,
        count(*) FILTER (WHERE told.dice IN ('passing', 'not_applicable')) OVER (
            PARTITION BY told.number ORDER BY told.day
        ) AS stretch
    FROM bench.told AS told
),

failures AS (
    SELECT
        stretches.number,
        stretches.stretch,
        min(stretches.valid_from) FILTER (WHERE stretches.dice = 'failing') AS failing_since
    FROM stretches
    GROUP BY stretches.number, stretches.stretch
)

INSERT INTO compliance.results (
    workspace, test_id, test_title, severity, subject_type, subject_id, subject_name, status, basis, reason_code,
    reason, remediation, detail, first_seen_at, status_since, failing_since, due_at, data_as_of, fresh_until,
    evaluated_at, run_id, policy_version, facts_hash
)
SELECT
    history.workspace,
    history.test_id,
    subjects.test_title,
    history.severity,
    history.subject_type,
    history.subject_id,
    history.subject_name,
    history.status,
    history.basis,
    history.reason_code,
    history.reason,
    'Do what the page of the test says.',
    history.detail,
    now() - interval '1 hour' - make_interval(days => %(runs)s - 1),
    history.valid_from,
    failing.since,
    failing.since + CASE history.severity
        WHEN 'critical' THEN interval '7 days'
        WHEN 'high' THEN interval '30 days'
        ELSE interval '90 days'
    END,
    now() - interval '1 hour',
    now() - interval '1 hour' + CASE WHEN subjects.number %% 40 = 0 THEN interval '0' ELSE interval '48 hours' END,
    now() - interval '1 hour',
    'run ' || %(runs)s - 1,
    history.policy_version,
    history.facts_hash
FROM stretches
INNER JOIN bench.subjects AS subjects ON stretches.number = subjects.number
INNER JOIN compliance.result_history AS history
    ON
        subjects.test_id = history.test_id
        AND subjects.subject_id = history.subject_id
        AND history.workspace = %(workspace)s
        AND history.valid_to IS null
LEFT JOIN failures ON stretches.number = failures.number AND stretches.stretch = failures.stretch
CROSS JOIN LATERAL (
    SELECT CASE WHEN stretches.dice NOT IN ('passing', 'not_applicable') THEN failures.failing_since END AS since
) AS failing
WHERE stretches.valid_to IS null;

-- Findings as publish would have left them.
WITH stretches AS (
    SELECT
        told.*,
        count(*) FILTER (WHERE told.dice IN ('passing', 'not_applicable')) OVER (
            PARTITION BY told.number ORDER BY told.day
        ) AS stretch
    FROM bench.told AS told
),

failures AS (
    SELECT
        stretches.number,
        stretches.stretch,
        min(stretches.valid_from) FILTER (WHERE stretches.dice = 'failing') AS found_at,
        min(stretches.valid_from) FILTER (WHERE stretches.dice IN ('passing', 'not_applicable')) AS began_at
    FROM stretches
    GROUP BY stretches.number, stretches.stretch
)

INSERT INTO compliance.finding_records (
    workspace, test_id, subject_type, subject_id, subject_name, severity, found_at, found_basis, failed_basis,
    reason_code, due_at, policy_version, run_id, ended_at, ended_basis, ended_because, ended_reason_code
)
SELECT
    history.workspace,
    history.test_id,
    history.subject_type,
    history.subject_id,
    history.subject_name,
    history.severity,
    failures.found_at,
    history.basis,
    history.basis,
    history.reason_code,
    failures.found_at + CASE history.severity
        WHEN 'critical' THEN interval '7 days'
        WHEN 'high' THEN interval '30 days'
        ELSE interval '90 days'
    END,
    history.policy_version,
    history.run_id,
    ended.began_at,
    CASE WHEN ended.began_at IS NOT null THEN 'configuration' END,
    CASE WHEN ended.began_at IS NOT null THEN 'fixed' END,
    CASE WHEN ended.began_at IS NOT null THEN 'fixed' END
FROM failures
INNER JOIN bench.subjects AS subjects ON failures.number = subjects.number
INNER JOIN compliance.result_history AS history
    ON
        subjects.test_id = history.test_id
        AND subjects.subject_id = history.subject_id
        AND history.workspace = %(workspace)s
        AND history.valid_from = failures.found_at
LEFT JOIN failures AS ended ON failures.number = ended.number AND failures.stretch + 1 = ended.stretch
WHERE failures.found_at IS NOT null;
ANALYZE compliance.finding_records;

INSERT INTO compliance.repository_history (
    workspace, repository_id, slug, project_key, visibility, default_branch, classification, created_on, valid_from
)
SELECT
    repositories.workspace,
    repositories.repository_id,
    repositories.slug,
    repositories.project_key,
    repositories.visibility,
    repositories.default_branch,
    repositories.classification,
    now() - interval '2 years',
    now() - interval '1 hour' - make_interval(days => %(runs)s - 1)
FROM compliance.repositories AS repositories;

INSERT INTO compliance.daily_observations (workspace, test_id, day, subjects, observed, not_read, recorded_at)
SELECT
    subjects.workspace,
    subjects.test_id,
    runs.finished_at::date,
    subjects.counted,
    subjects.counted,
    0,
    runs.finished_at
FROM integration.runs AS runs
CROSS JOIN (
    SELECT
        results.workspace,
        results.test_id,
        count(*) AS counted
    FROM compliance.results AS results
    GROUP BY results.workspace, results.test_id
) AS subjects
ON CONFLICT DO NOTHING;
