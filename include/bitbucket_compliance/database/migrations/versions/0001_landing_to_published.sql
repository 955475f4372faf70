-- Purpose: the schemas of the flow, from landing to the published contract, with their comments and grants.

CREATE SCHEMA landing;
CREATE SCHEMA staging;
CREATE SCHEMA judged;
CREATE SCHEMA registry;
CREATE SCHEMA quality;
CREATE SCHEMA compliance;

COMMENT ON SCHEMA landing IS 'Raw answers of Bitbucket and the outcome of every call; written by extract alone.';
COMMENT ON SCHEMA staging IS 'Typed, current row per object; written by stage alone.';
COMMENT ON SCHEMA judged IS 'Verdicts of a run before publication; written by the security tests alone.';
COMMENT ON SCHEMA registry IS 'What people declare: classification, roster, evidence, policy.';
COMMENT ON SCHEMA integration IS 'Runs, their steps and the lease that keeps two runs of a workspace apart.';
COMMENT ON SCHEMA quality IS 'Outcome of each expectation of each run, and the views the gates look at.';
COMMENT ON SCHEMA compliance IS 'The published contract; written by publish alone.';

-- ---------------------------------------------------------------- integration

CREATE TABLE integration.runs (
    run_id text PRIMARY KEY,
    workspace text NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    status text NOT NULL DEFAULT 'running'
    CHECK (status IN ('running', 'published', 'gate_failed', 'failed', 'superseded')),
    quality text CHECK (quality IN ('passed', 'passed_with_warnings', 'failed')),
    full_refresh boolean NOT NULL DEFAULT false,
    policy_version text NOT NULL,
    repositories integer,
    requests_spent integer,
    scopes_granted text[],
    coverage jsonb,
    error text
);
CREATE INDEX runs_by_workspace ON integration.runs (workspace, started_at DESC);
COMMENT ON TABLE integration.runs IS 'One row a run of one workspace; compliance.runs shows it.';

CREATE TABLE integration.run_steps (
    run_id text NOT NULL,
    workspace text NOT NULL,
    step text NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL
);
CREATE INDEX run_steps_by_run ON integration.run_steps (run_id);
COMMENT ON TABLE integration.run_steps IS 'When each task body worked, so that Airflow''s own share of a run can be told.';

CREATE TABLE integration.workspace_leases (
    workspace text PRIMARY KEY,
    run_id text NOT NULL,
    renewed_at timestamptz NOT NULL
);
COMMENT ON TABLE integration.workspace_leases IS
'The run that may write for a workspace. A task of any other run of it stops before it writes.';

-- -------------------------------------------------------------------- landing

CREATE TABLE landing.objects (
    workspace text NOT NULL,
    resource text NOT NULL,
    object_key text NOT NULL,
    repository_id text,
    body_hash text NOT NULL,
    body jsonb NOT NULL,
    first_fetched_at timestamptz NOT NULL,
    fetched_at timestamptz NOT NULL,
    run_id text NOT NULL,
    PRIMARY KEY (workspace, resource, object_key, body_hash)
);
CREATE INDEX objects_by_repository ON landing.objects (workspace, resource, repository_id);
COMMENT ON TABLE landing.objects IS
'A row per body seen of an object; fetched_at and run_id say when it was seen last. Nothing is overwritten.';

CREATE TABLE landing.calls (
    workspace text NOT NULL,
    run_id text NOT NULL,
    resource text NOT NULL,
    repository_id text NOT NULL DEFAULT '',
    item_key text NOT NULL DEFAULT '',
    outcome text NOT NULL
    CHECK (outcome IN ('ok', 'scope_missing', 'permission_missing', 'not_found', 'failed')),
    http_status integer,
    message text,
    requests integer NOT NULL DEFAULT 0,
    items integer NOT NULL DEFAULT 0,
    listing_size integer,
    repeated_items integer NOT NULL DEFAULT 0,
    reread boolean NOT NULL DEFAULT false,
    fetched_at timestamptz NOT NULL,
    complete boolean NOT NULL GENERATED ALWAYS AS (
        outcome = 'ok' AND (listing_size IS null OR listing_size = items)
    ) STORED,
    PRIMARY KEY (workspace, run_id, resource, repository_id, item_key)
);
COMMENT ON TABLE landing.calls IS
'A row per call of a run with its outcome. What could not be read, and why, is data for the verdicts.';

CREATE VIEW landing.run_objects AS
SELECT objects.*
FROM landing.objects AS objects
WHERE
    EXISTS (
        SELECT 1
        FROM landing.calls AS calls
        WHERE
            calls.workspace = objects.workspace
            AND calls.run_id = objects.run_id
            AND calls.resource = objects.resource
            AND calls.repository_id = coalesce(objects.repository_id, '')
            AND calls.outcome = 'ok'
            AND calls.fetched_at = objects.fetched_at
    );
COMMENT ON VIEW landing.run_objects IS
'What the newest answer to each call of a run brought; an answer that was asked for again replaces the one before.';

CREATE TABLE landing.work_items (
    workspace text NOT NULL,
    run_id text NOT NULL,
    chunk integer NOT NULL,
    repository_id text NOT NULL,
    slug text NOT NULL,
    main_branch text,
    non_production boolean NOT NULL,
    PRIMARY KEY (workspace, run_id, repository_id)
);
COMMENT ON TABLE landing.work_items IS 'The repositories of a run, split into chunks for mapped tasks.';

-- -------------------------------------------------------------------- staging

CREATE FUNCTION staging.glob_matches(pattern text, branch text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $glob$
    SELECT branch LIKE replace(
        replace(replace(replace(pattern, '\', '\\'), '%', '\%'), '_', '\_'), '*', '%'
    )
$glob$;
COMMENT ON FUNCTION staging.glob_matches(text, text) IS
'Bitbucket''s branch pattern: only * is special, and it matches / too.';

CREATE FUNCTION staging.refresh_statistics(schema_name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog
AS $statistics$
DECLARE
    table_name text;
BEGIN
    IF schema_name NOT IN ('landing', 'staging', 'registry', 'judged') THEN
        RAISE EXCEPTION 'statistics of schema % are none of the pipeline''s business', schema_name;
    END IF;
    FOR table_name IN SELECT tables.tablename FROM pg_tables AS tables WHERE tables.schemaname = schema_name LOOP
        EXECUTE format('ANALYZE %I.%I', schema_name, table_name);
    END LOOP;
END
$statistics$;
COMMENT ON FUNCTION staging.refresh_statistics(text) IS
'Statistics right after a bulk load: without them the planner takes every table for empty until autovacuum comes by.';

CREATE TABLE staging.workspaces (
    workspace text PRIMARY KEY,
    workspace_id text NOT NULL,
    name text,
    data_as_of timestamptz NOT NULL
);

CREATE TABLE staging.granted_scopes (
    workspace text PRIMARY KEY,
    run_id text NOT NULL,
    scopes text[],
    data_as_of timestamptz NOT NULL
);
COMMENT ON COLUMN staging.granted_scopes.scopes IS
'Scopes of the token with the implied ones; null where Bitbucket did not tell.';

CREATE TABLE staging.repositories (
    workspace text NOT NULL,
    repository_id text NOT NULL,
    slug text,
    name text,
    full_name text,
    project_key text,
    is_private boolean,
    language text,
    main_branch text,
    created_on timestamptz,
    updated_on timestamptz,
    data_as_of timestamptz NOT NULL,
    PRIMARY KEY (workspace, repository_id)
);

CREATE TABLE staging.members (
    workspace text NOT NULL,
    member_id text NOT NULL,
    account_id text,
    display_name text,
    nickname text,
    member_type text,
    role text,
    data_as_of timestamptz NOT NULL,
    PRIMARY KEY (workspace, member_id)
);

CREATE TABLE staging.member_emails (
    workspace text NOT NULL,
    email text NOT NULL,
    member_id text NOT NULL,
    data_as_of timestamptz NOT NULL,
    PRIMARY KEY (workspace, email, member_id)
);
COMMENT ON TABLE staging.member_emails IS
'Declared addresses that Bitbucket confirmed for a member; no other address is ever known.';

CREATE TABLE staging.branching_models (
    workspace text NOT NULL,
    repository_id text NOT NULL,
    development_name text,
    development_use_mainbranch boolean,
    production_name text,
    production_use_mainbranch boolean,
    branch_types jsonb NOT NULL,
    data_as_of timestamptz NOT NULL,
    PRIMARY KEY (workspace, repository_id)
);

CREATE TABLE staging.branch_restrictions (
    workspace text NOT NULL,
    repository_id text NOT NULL,
    restriction_id bigint NOT NULL,
    kind text,
    branch_match_kind text,
    pattern text,
    branch_type text,
    value integer,
    users jsonb NOT NULL,
    groups jsonb NOT NULL,
    matches_main_branch boolean,
    data_as_of timestamptz NOT NULL,
    PRIMARY KEY (workspace, repository_id, restriction_id)
);
COMMENT ON COLUMN staging.branch_restrictions.matches_main_branch IS
'Whether the rule applies to the main branch; null where the branching model it refers to could not be read.';

CREATE TABLE staging.pull_requests (
    workspace text NOT NULL,
    repository_id text NOT NULL,
    pull_request_id bigint NOT NULL,
    state text,
    author_id text,
    destination_branch text,
    approved_by text[] NOT NULL,
    created_on timestamptz,
    updated_on timestamptz,
    data_as_of timestamptz NOT NULL,
    PRIMARY KEY (workspace, repository_id, pull_request_id)
);
COMMENT ON COLUMN staging.pull_requests.approved_by IS 'Persons (type user) who approved, the author included.';

CREATE TABLE staging.pull_request_builds (
    workspace text NOT NULL,
    repository_id text NOT NULL,
    pull_request_id bigint NOT NULL,
    builds integer NOT NULL,
    builds_not_successful integer NOT NULL,
    data_as_of timestamptz NOT NULL,
    PRIMARY KEY (workspace, repository_id, pull_request_id)
);
COMMENT ON TABLE staging.pull_request_builds IS 'Build statuses of merged pull requests, where a verdict needed them.';

CREATE TABLE staging.pipelines_configs (
    workspace text NOT NULL,
    repository_id text NOT NULL,
    enabled boolean,
    data_as_of timestamptz NOT NULL,
    PRIMARY KEY (workspace, repository_id)
);

CREATE TABLE staging.latest_pipelines (
    workspace text NOT NULL,
    repository_id text NOT NULL,
    pipeline_id text NOT NULL,
    build_number bigint,
    state text,
    result text,
    created_on timestamptz,
    completed_on timestamptz,
    data_as_of timestamptz NOT NULL,
    PRIMARY KEY (workspace, repository_id)
);

CREATE TABLE staging.coverage (
    workspace text NOT NULL,
    repository_id text NOT NULL,
    resource text NOT NULL,
    outcome text NOT NULL,
    message text,
    http_status integer,
    complete boolean NOT NULL,
    run_id text NOT NULL,
    data_as_of timestamptz NOT NULL,
    PRIMARY KEY (workspace, repository_id, resource)
);
COMMENT ON TABLE staging.coverage IS
'What this run could read of each subject, and why not. repository_id is empty for calls on the workspace.';

-- What the tests and the inventory ask of staging.

CREATE VIEW staging.repository_coverage AS
SELECT
    repositories.workspace,
    repositories.repository_id,
    max(coverage.outcome) FILTER (WHERE coverage.resource = 'branch_restrictions') AS branch_restrictions,
    max(coverage.outcome) FILTER (WHERE coverage.resource = 'effective_branching_model') AS branching_model,
    max(coverage.outcome) FILTER (WHERE coverage.resource = 'pull_requests') AS pull_requests,
    max(coverage.outcome) FILTER (WHERE coverage.resource = 'pull_request_statuses') AS pull_request_statuses,
    max(coverage.outcome) FILTER (WHERE coverage.resource = 'pipelines_config') AS pipelines_config,
    max(coverage.outcome) FILTER (WHERE coverage.resource = 'pipelines') AS pipelines,
    coalesce(
        bool_or(
            coverage.outcome = 'ok' AND coverage.resource NOT IN ('pipelines_config', 'pull_request_statuses')
        ),
        false
    ) AS another_call_succeeded,
    coalesce(min(coverage.data_as_of), max(repositories.data_as_of)) AS data_as_of
FROM staging.repositories AS repositories
LEFT JOIN staging.coverage AS coverage
    ON repositories.workspace = coverage.workspace AND repositories.repository_id = coverage.repository_id
GROUP BY repositories.workspace, repositories.repository_id;
COMMENT ON VIEW staging.repository_coverage IS
'Outcome of each call on a repository in its newest run; null: the call was not needed.';

CREATE VIEW staging.main_branch_rules AS
SELECT
    rules.workspace,
    rules.repository_id,
    rules.restriction_id,
    rules.kind,
    rules.value,
    rules.users,
    rules.groups,
    rules.matches_main_branch,
    jsonb_strip_nulls(jsonb_build_object(
        'id', rules.restriction_id,
        'kind', rules.kind,
        'pattern', CASE WHEN rules.branch_match_kind = 'glob' THEN rules.pattern END,
        'branch_type', CASE WHEN rules.branch_match_kind <> 'glob' THEN rules.branch_type END,
        'value', rules.value
    )) AS rule
FROM staging.branch_restrictions AS rules
INNER JOIN staging.coverage AS coverage
    ON
        rules.workspace = coverage.workspace
        AND rules.repository_id = coverage.repository_id
        AND coverage.resource = 'branch_restrictions'
        AND coverage.outcome = 'ok'
WHERE rules.matches_main_branch IS NOT false;
COMMENT ON VIEW staging.main_branch_rules IS
'Rules read in the newest run that apply to the main branch, or may (matches_main_branch null).';

CREATE VIEW staging.main_branch_push AS
SELECT
    coverage.workspace,
    coverage.repository_id,
    CASE
        WHEN bool_or(rules.matches_main_branch) THEN 'restricted'
        WHEN count(rules.restriction_id) > 0 THEN 'unknown'
        ELSE 'unrestricted'
    END AS direct_push,
    coalesce(
        jsonb_agg(rules.users) FILTER (WHERE rules.matches_main_branch AND rules.users <> '[]'), '[]'
    ) AS exempt_users,
    coalesce(
        jsonb_agg(rules.groups) FILTER (WHERE rules.matches_main_branch AND rules.groups <> '[]'), '[]'
    ) AS exempt_groups
FROM staging.coverage AS coverage
LEFT JOIN staging.main_branch_rules AS rules
    ON
        coverage.workspace = rules.workspace
        AND coverage.repository_id = rules.repository_id
        AND rules.kind = 'push'
WHERE coverage.resource = 'branch_restrictions' AND coverage.outcome = 'ok'
GROUP BY coverage.workspace, coverage.repository_id;
COMMENT ON VIEW staging.main_branch_push IS 'Whether the main branch can be pushed to directly, where rules could be read.';

CREATE VIEW staging.merged_pull_requests AS
SELECT
    pull_requests.workspace,
    pull_requests.repository_id,
    pull_requests.pull_request_id,
    pull_requests.updated_on,
    exists(
        SELECT 1
        FROM unnest(pull_requests.approved_by) AS approvals (approver)
        WHERE approvals.approver IS DISTINCT FROM pull_requests.author_id
    ) AS has_peer_approval,
    builds.builds,
    builds.builds_not_successful
FROM staging.pull_requests AS pull_requests
INNER JOIN staging.repositories AS repositories
    ON
        pull_requests.workspace = repositories.workspace
        AND pull_requests.repository_id = repositories.repository_id
        AND pull_requests.destination_branch = repositories.main_branch
LEFT JOIN staging.pull_request_builds AS builds
    ON
        pull_requests.workspace = builds.workspace
        AND pull_requests.repository_id = builds.repository_id
        AND pull_requests.pull_request_id = builds.pull_request_id
WHERE pull_requests.state = 'MERGED';
COMMENT ON VIEW staging.merged_pull_requests IS
'Pull requests merged into the main branch, by updated_on: lists carry no closing time.';

-- ------------------------------------------------------------------- registry

CREATE TABLE registry.policy_versions (
    policy_version text PRIMARY KEY,
    body jsonb NOT NULL,
    first_used_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE registry.imports (
    import_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('roster', 'classification', 'mfa')),
    file_name text NOT NULL,
    file_sha256 text NOT NULL,
    row_count integer NOT NULL,
    imported_by text NOT NULL,
    imported_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE registry.imports IS 'Who imported which file when; an import is all or nothing.';

CREATE TABLE registry.people (
    import_id bigint NOT NULL REFERENCES registry.imports,
    line integer NOT NULL,
    email text,
    name text,
    status text NOT NULL CHECK (status IN ('active', 'on_leave', 'terminated')),
    end_date date,
    account_id text,
    PRIMARY KEY (import_id, line)
);
COMMENT ON TABLE registry.people IS 'The HR roster as declared; the newest roster import is the roster.';

CREATE VIEW registry.roster AS
SELECT
    people.line,
    people.email,
    people.name,
    people.status,
    people.end_date,
    people.account_id,
    imports.import_id,
    imports.imported_at
FROM registry.people AS people
INNER JOIN registry.imports AS imports ON people.import_id = imports.import_id
WHERE imports.import_id = (SELECT max(newest.import_id) FROM registry.imports AS newest WHERE newest.kind = 'roster');
COMMENT ON VIEW registry.roster IS 'Rows of the newest roster import.';

CREATE TABLE registry.classification (
    entry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace text,
    target_type text NOT NULL CHECK (target_type IN ('repository', 'project', 'pattern')),
    target text NOT NULL,
    classification text NOT NULL CHECK (classification IN ('production', 'non_production')),
    sensitivity text CHECK (sensitivity IN ('public', 'internal', 'confidential', 'restricted')),
    owner text,
    import_id bigint REFERENCES registry.imports,
    declared_by text NOT NULL,
    declared_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE registry.classification IS
'Declared classification with its history; the newest entry of a (workspace, target_type, target) is in force.';

CREATE VIEW registry.classification_in_force AS
SELECT DISTINCT ON (coalesce(workspace, ''), target_type, target)
    entry_id,
    workspace,
    target_type,
    target,
    classification,
    sensitivity,
    owner
FROM registry.classification
ORDER BY coalesce(workspace, ''), target_type ASC, target ASC, entry_id DESC;

CREATE VIEW registry.repository_classification AS
WITH candidates AS (
    SELECT
        repositories.workspace,
        repositories.repository_id,
        entries.entry_id,
        entries.target_type,
        entries.target,
        entries.classification,
        entries.sensitivity,
        entries.owner,
        CASE entries.target_type WHEN 'repository' THEN 1 WHEN 'project' THEN 2 ELSE 3 END AS level,
        CASE WHEN entries.target_type = 'pattern' THEN length(replace(entries.target, '*', '')) ELSE 0 END AS literals,
        entries.workspace IS NOT null AS for_this_workspace
    FROM staging.repositories AS repositories
    INNER JOIN registry.classification_in_force AS entries
        ON
            (entries.workspace IS null OR entries.workspace = lower(repositories.workspace))
            AND CASE entries.target_type
                WHEN 'repository' THEN entries.target IN (lower(repositories.slug), lower(repositories.repository_id))
                WHEN 'project' THEN entries.target = lower(repositories.project_key)
                ELSE staging.glob_matches(entries.target, lower(repositories.slug))
            END
)

SELECT DISTINCT ON (workspace, repository_id)
    workspace,
    repository_id,
    classification,
    sensitivity,
    owner,
    target_type,
    target,
    entry_id
FROM candidates
ORDER BY
    workspace ASC,
    repository_id ASC,
    level ASC,
    literals DESC,
    for_this_workspace DESC,
    (target LIKE '{%') DESC,
    target ASC;
COMMENT ON VIEW registry.repository_classification IS
'Precedence: repository entry, project key, slug glob with the most literal characters; within one of these an entry for this workspace before one for all, a uuid before a slug.';

CREATE TABLE registry.evidence (
    evidence_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    test_id text NOT NULL,
    scope text NOT NULL CHECK (scope IN ('workspace', 'project', 'repository', 'members')),
    workspace text,
    kind text NOT NULL CHECK (kind IN ('mfa_export', 'screenshot')),
    captured_on date NOT NULL,
    status text NOT NULL CHECK (status IN ('submitted', 'accepted', 'rejected', 'withdrawn')),
    submitted_by text NOT NULL,
    submitted_at timestamptz NOT NULL DEFAULT now(),
    decided_by text,
    decided_at timestamptz,
    file_name text NOT NULL,
    file_sha256 text NOT NULL,
    import_id bigint REFERENCES registry.imports
);

CREATE TABLE registry.evidence_members (
    evidence_id uuid NOT NULL REFERENCES registry.evidence,
    line integer NOT NULL,
    email text,
    account_id text,
    mfa_enabled boolean NOT NULL,
    PRIMARY KEY (evidence_id, line)
);
COMMENT ON TABLE registry.evidence_members IS 'Members that an accepted two-step verification export covers, by line.';

-- --------------------------------------------------------------------- judged

CREATE TABLE judged.verdicts (
    workspace text NOT NULL,
    run_id text NOT NULL,
    test_id text NOT NULL,
    subject_type text NOT NULL,
    subject_id text NOT NULL,
    subject_name text,
    status text NOT NULL,
    basis text,
    reason_code text NOT NULL,
    reason text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    facts jsonb NOT NULL DEFAULT '{}',
    data_as_of timestamptz,
    evaluated_at timestamptz NOT NULL,
    PRIMARY KEY (workspace, run_id, test_id, subject_id)
);

CREATE TABLE judged.enabled_tests (
    workspace text NOT NULL,
    run_id text NOT NULL,
    test_id text NOT NULL,
    subject_type text NOT NULL,
    PRIMARY KEY (workspace, run_id, test_id)
);
COMMENT ON TABLE judged.enabled_tests IS 'The tests that the policy of a run asks for.';

-- -------------------------------------------------------------------- quality

CREATE TABLE quality.expectation_results (
    workspace text NOT NULL,
    run_id text NOT NULL,
    gate text NOT NULL,
    suite text NOT NULL,
    expectation text NOT NULL,
    description text NOT NULL,
    severity text NOT NULL,
    success boolean NOT NULL,
    observed jsonb,
    evaluated_at timestamptz NOT NULL,
    PRIMARY KEY (workspace, run_id, gate, suite, description)
);

-- ----------------------------------------------------------------- compliance

CREATE TABLE compliance.tests (
    test_id text PRIMARY KEY,
    test_title text NOT NULL,
    severity text NOT NULL,
    subject_type text NOT NULL,
    manual boolean NOT NULL,
    enabled boolean NOT NULL,
    display_order integer NOT NULL,
    description text NOT NULL
);
COMMENT ON TABLE compliance.tests IS 'Catalogue of the security tests under the policy of the newest publication.';

CREATE TABLE compliance.results (
    workspace text NOT NULL,
    test_id text NOT NULL,
    test_title text NOT NULL,
    severity text NOT NULL,
    subject_type text NOT NULL,
    subject_id text NOT NULL,
    subject_name text,
    status text NOT NULL,
    basis text,
    reason_code text NOT NULL,
    reason text NOT NULL,
    remediation text,
    detail jsonb NOT NULL,
    first_seen_at timestamptz NOT NULL,
    status_since timestamptz NOT NULL,
    failing_since timestamptz,
    due_at timestamptz,
    exception_id uuid,
    data_as_of timestamptz,
    fresh_until timestamptz,
    evaluated_at timestamptz NOT NULL,
    run_id text NOT NULL,
    policy_version text NOT NULL,
    facts_hash text NOT NULL,
    PRIMARY KEY (workspace, test_id, subject_id)
);
COMMENT ON TABLE compliance.results IS 'Storage behind current_results.';

CREATE VIEW compliance.current_results AS
SELECT
    workspace,
    test_id,
    test_title,
    severity,
    subject_type,
    subject_id,
    subject_name,
    status,
    basis,
    reason_code,
    reason,
    remediation,
    detail,
    first_seen_at,
    status_since,
    failing_since,
    due_at,
    exception_id,
    data_as_of,
    fresh_until,
    coalesce(fresh_until < now(), true) AS is_stale,
    evaluated_at,
    run_id,
    policy_version,
    facts_hash
FROM compliance.results;
COMMENT ON VIEW compliance.current_results IS 'One row per enabled test and subject: the newest published verdict.';

CREATE TABLE compliance.result_history (
    workspace text NOT NULL,
    test_id text NOT NULL,
    subject_type text NOT NULL,
    subject_id text NOT NULL,
    subject_name text,
    severity text NOT NULL,
    status text NOT NULL,
    basis text,
    reason_code text NOT NULL,
    reason text NOT NULL,
    detail jsonb NOT NULL,
    facts_hash text NOT NULL,
    exception_id uuid,
    policy_version text NOT NULL,
    run_id text NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz,
    PRIMARY KEY (workspace, test_id, subject_id, valid_from),
    CHECK (valid_to IS null OR valid_to > valid_from)
);
CREATE UNIQUE INDEX result_history_open ON compliance.result_history (workspace, test_id, subject_id)
WHERE valid_to IS null;
COMMENT ON TABLE compliance.result_history IS
'One row per interval of unchanged (status, basis, reason_code, facts_hash, exception_id, policy_version). A subject that left, or a test that was switched off, continues as not_applicable with reason code removed_or_invisible or test_disabled.';

CREATE FUNCTION compliance.results_as_of(as_of timestamptz) RETURNS SETOF compliance.result_history
LANGUAGE sql STABLE
AS $as_of$
    SELECT history.*
    FROM compliance.result_history AS history
    WHERE
        history.valid_from <= as_of
        AND (history.valid_to IS NULL OR history.valid_to > as_of)
        AND history.reason_code NOT IN ('removed_or_invisible', 'test_disabled')
$as_of$;
COMMENT ON FUNCTION compliance.results_as_of(timestamptz) IS 'The results that were published at an instant.';

CREATE TABLE compliance.repositories (
    workspace text NOT NULL,
    repository_id text NOT NULL,
    slug text,
    name text,
    project_key text,
    visibility text CHECK (visibility IN ('public', 'private')),
    language text,
    default_branch text,
    open_pull_requests integer,
    required_approvals integer,
    required_builds integer,
    merge_checks_enforced boolean,
    push_restricted boolean,
    force_push_prevented boolean,
    deletion_prevented boolean,
    pipelines_enabled boolean,
    last_pipeline_state text,
    last_pipeline_at timestamptz,
    classification text,
    sensitivity text,
    owner text,
    updated_on timestamptz,
    data_as_of timestamptz,
    PRIMARY KEY (workspace, repository_id)
);
COMMENT ON TABLE compliance.repositories IS 'Inventory. What could not be read is null, never false.';

CREATE TABLE compliance.members (
    workspace text NOT NULL,
    member_id text NOT NULL,
    account_id text,
    display_name text,
    nickname text,
    member_type text,
    role text,
    matched_by text CHECK (matched_by IN ('account_id', 'email', 'name')),
    repositories_reachable integer,
    data_as_of timestamptz,
    PRIMARY KEY (workspace, member_id)
);
COMMENT ON TABLE compliance.members IS 'Access review. matched_by says how the roster names the member; null: it does not.';

CREATE TABLE compliance.member_employment (
    workspace text NOT NULL,
    member_id text NOT NULL,
    hr_status text,
    hr_end_date date,
    PRIMARY KEY (workspace, member_id)
);
COMMENT ON TABLE compliance.member_employment IS 'Employment facts, for compliance_people_reader alone.';

CREATE VIEW compliance.runs AS
SELECT
    run_id,
    workspace,
    status,
    quality,
    started_at,
    finished_at,
    repositories,
    requests_spent,
    round(requests_spent::numeric / nullif(repositories, 0), 2) AS requests_per_repository,
    coverage,
    scopes_granted,
    policy_version,
    full_refresh,
    error
FROM integration.runs;
COMMENT ON VIEW compliance.runs IS 'Runs with coverage, requests spent, quality verdict and scopes granted.';

CREATE VIEW compliance.test_summary AS
WITH workspaces AS (
    SELECT DISTINCT runs.workspace
    FROM integration.runs AS runs
    WHERE runs.status = 'published'
),

counts AS (
    SELECT
        results.workspace,
        results.test_id,
        count(*) FILTER (WHERE results.status = 'passing') AS passing,
        count(*) FILTER (WHERE results.status = 'failing') AS failing,
        count(*) FILTER (WHERE results.status = 'pending') AS pending,
        count(*) FILTER (WHERE results.status = 'error') AS error,
        count(*) FILTER (WHERE results.status = 'not_applicable') AS not_applicable,
        count(*) FILTER (WHERE coalesce(results.fresh_until < now(), true)) AS stale
    FROM compliance.results AS results
    GROUP BY results.workspace, results.test_id
)

SELECT
    workspaces.workspace,
    tests.test_id,
    tests.test_title,
    tests.severity,
    tests.enabled,
    CASE
        WHEN NOT tests.enabled THEN 'not_run'
        WHEN counts.failing > 0 THEN 'failing'
        WHEN counts.error > 0 THEN 'error'
        WHEN counts.pending > 0 THEN 'pending'
        WHEN counts.passing > 0 THEN 'passing'
        ELSE 'not_applicable'
    END AS status,
    coalesce(counts.passing, 0) AS passing,
    coalesce(counts.failing, 0) AS failing,
    coalesce(counts.pending, 0) AS pending,
    coalesce(counts.error, 0) AS error,
    coalesce(counts.not_applicable, 0) AS not_applicable,
    coalesce(counts.stale, 0) AS stale,
    tests.display_order
FROM workspaces
CROSS JOIN compliance.tests AS tests
LEFT JOIN counts ON workspaces.workspace = counts.workspace AND tests.test_id = counts.test_id;
COMMENT ON VIEW compliance.test_summary IS 'Per workspace and test: how many subjects stand where.';

CREATE VIEW compliance.evidence AS
SELECT
    evidence_id,
    test_id,
    scope,
    workspace,
    kind,
    captured_on,
    status,
    submitted_by,
    submitted_at,
    decided_by,
    decided_at,
    file_name,
    file_sha256
FROM registry.evidence;
COMMENT ON VIEW compliance.evidence IS 'Evidence with its life cycle; never the file itself.';
