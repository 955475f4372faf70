-- Purpose: expectations for every staging table and for the results: the views that the gates lacked, and where the
-- pages of each gate are. No view shows an address or a name of a person: rows that fail are printed and kept.

-- ------------------------------------------------------ a view for each table

CREATE OR REPLACE VIEW quality.repositories AS
SELECT
    workspace,
    repository_id,
    slug,
    name,
    full_name,
    project_key,
    is_private,
    language,
    main_branch,
    created_on,
    updated_on,
    data_as_of,
    read_at
FROM staging.repositories
WHERE workspace = current_setting('compliance.workspace');

CREATE VIEW quality.workspaces AS
SELECT * FROM staging.workspaces
WHERE workspace = current_setting('compliance.workspace');

CREATE VIEW quality.granted_scopes AS
SELECT * FROM staging.granted_scopes
WHERE workspace = current_setting('compliance.workspace');

CREATE VIEW quality.member_emails AS
SELECT
    emails.member_id,
    emails.data_as_of,
    emails.email = lower(btrim(emails.email)) AS is_normalised,
    emails.email ~ '^[^\s@]+@[^\s@]+$' AS is_address,
    members.member_id IS NOT null AS is_listed,
    count(*) OVER (PARTITION BY emails.email) AS members_of_address
FROM staging.member_emails AS emails
LEFT JOIN staging.members AS members
    ON emails.workspace = members.workspace AND emails.member_id = members.member_id
WHERE emails.workspace = current_setting('compliance.workspace');
COMMENT ON VIEW quality.member_emails IS 'What can be asked of confirmed addresses without showing one.';

CREATE VIEW quality.branching_models AS
SELECT * FROM staging.branching_models
WHERE workspace = current_setting('compliance.workspace');

CREATE VIEW quality.branch_types AS
SELECT
    models.repository_id,
    types.body ->> 'kind' AS kind,
    types.body ->> 'prefix' AS prefix
FROM staging.branching_models AS models
CROSS JOIN
    jsonb_array_elements(
        CASE WHEN jsonb_typeof(models.branch_types) = 'array' THEN models.branch_types ELSE '[]' END
    ) AS types (body)
WHERE models.workspace = current_setting('compliance.workspace');

CREATE VIEW quality.pull_request_builds AS
SELECT
    *,
    repository_id || '#' || pull_request_id AS pull_request_key
FROM staging.pull_request_builds
WHERE workspace = current_setting('compliance.workspace');

CREATE VIEW quality.pipelines_configs AS
SELECT * FROM staging.pipelines_configs
WHERE workspace = current_setting('compliance.workspace');

CREATE VIEW quality.latest_pipelines AS
SELECT * FROM staging.latest_pipelines
WHERE workspace = current_setting('compliance.workspace');

CREATE OR REPLACE VIEW quality.coverage AS
SELECT
    workspace,
    repository_id,
    resource,
    outcome,
    message,
    http_status,
    complete,
    run_id,
    data_as_of,
    repository_id || '#' || resource AS coverage_key
FROM staging.coverage
WHERE workspace = current_setting('compliance.workspace');

-- ------------------------------------------------------------- across tables

CREATE VIEW quality.orphans AS
WITH below AS (
    SELECT
        'branch_restrictions' AS staged_table,
        staged.repository_id
    FROM staging.branch_restrictions AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'branching_models' AS staged_table,
        staged.repository_id
    FROM staging.branching_models AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'pull_requests' AS staged_table,
        staged.repository_id
    FROM staging.pull_requests AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'pull_request_builds' AS staged_table,
        staged.repository_id
    FROM staging.pull_request_builds AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'pipelines_configs' AS staged_table,
        staged.repository_id
    FROM staging.pipelines_configs AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'latest_pipelines' AS staged_table,
        staged.repository_id
    FROM staging.latest_pipelines AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'coverage' AS staged_table,
        staged.repository_id
    FROM staging.coverage AS staged
    WHERE staged.workspace = current_setting('compliance.workspace') AND staged.repository_id <> ''
)

SELECT
    below.staged_table,
    below.repository_id,
    count(*) AS staged_rows
FROM below
WHERE
    NOT EXISTS (
        SELECT 1
        FROM staging.repositories AS repositories
        WHERE
            repositories.workspace = current_setting('compliance.workspace')
            AND repositories.repository_id = below.repository_id
    )
GROUP BY below.staged_table, below.repository_id;
COMMENT ON VIEW quality.orphans IS 'Staged rows of repositories that are not listed: nobody would judge them.';

CREATE VIEW quality.read_later_than_now AS
WITH newest AS (
    SELECT
        'workspaces' AS staged_table,
        max(staged.data_as_of) AS data_as_of
    FROM staging.workspaces AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'granted_scopes' AS staged_table,
        max(staged.data_as_of) AS data_as_of
    FROM staging.granted_scopes AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'repositories' AS staged_table,
        greatest(max(staged.data_as_of), max(staged.read_at)) AS data_as_of
    FROM staging.repositories AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'members' AS staged_table,
        max(staged.data_as_of) AS data_as_of
    FROM staging.members AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'member_emails' AS staged_table,
        max(staged.data_as_of) AS data_as_of
    FROM staging.member_emails AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'branching_models' AS staged_table,
        max(staged.data_as_of) AS data_as_of
    FROM staging.branching_models AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'branch_restrictions' AS staged_table,
        max(staged.data_as_of) AS data_as_of
    FROM staging.branch_restrictions AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'pull_requests' AS staged_table,
        max(staged.data_as_of) AS data_as_of
    FROM staging.pull_requests AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'pull_request_builds' AS staged_table,
        max(staged.data_as_of) AS data_as_of
    FROM staging.pull_request_builds AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'pipelines_configs' AS staged_table,
        max(staged.data_as_of) AS data_as_of
    FROM staging.pipelines_configs AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'latest_pipelines' AS staged_table,
        max(staged.data_as_of) AS data_as_of
    FROM staging.latest_pipelines AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'coverage' AS staged_table,
        max(staged.data_as_of) AS data_as_of
    FROM staging.coverage AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
)

SELECT
    newest.staged_table,
    newest.data_as_of
FROM newest
WHERE newest.data_as_of > now() + interval '10 minutes';
COMMENT ON VIEW quality.read_later_than_now IS
'Tables with data that was read later than now, up to clocks that differ by minutes: it would stay fresh for too long.';

CREATE VIEW quality.wrong_rule_matches AS
WITH rules AS (
    SELECT
        rules.repository_id,
        repositories.slug,
        rules.restriction_id,
        rules.branch_match_kind,
        rules.pattern,
        rules.branch_type,
        repositories.main_branch,
        rules.matches_main_branch,
        models.repository_id IS NOT null AS model_read
    FROM staging.branch_restrictions AS rules
    INNER JOIN staging.repositories AS repositories
        ON rules.workspace = repositories.workspace AND rules.repository_id = repositories.repository_id
    LEFT JOIN staging.branching_models AS models
        ON rules.workspace = models.workspace AND rules.repository_id = models.repository_id
    WHERE
        rules.workspace = current_setting('compliance.workspace')
        -- one whose main branch is another since it was read is not judged by what was read
        AND repositories.read_at IS NOT null
)

SELECT
    repository_id,
    slug,
    restriction_id,
    branch_match_kind,
    pattern,
    branch_type,
    main_branch,
    matches_main_branch,
    model_read
FROM rules
WHERE
    CASE
        WHEN main_branch IS null THEN matches_main_branch IS NOT false
        WHEN branch_match_kind = 'glob'
            THEN matches_main_branch IS DISTINCT FROM staging.glob_matches(pattern, main_branch)
        WHEN branch_match_kind = 'branching_model' THEN (matches_main_branch IS null) = model_read
        ELSE matches_main_branch IS NOT null
    END;
COMMENT ON VIEW quality.wrong_rule_matches IS
'Rules that are said to apply to the main branch, or not to, against their pattern, or without their branching model.';

DROP VIEW quality.roster_age;
CREATE VIEW quality.roster_age AS
SELECT
    max(imports.imported_at) AS imported_at,
    (extract(EPOCH FROM now() - max(imports.imported_at)) / 86400.0)::double precision AS age_days
FROM registry.imports AS imports
WHERE imports.kind = 'roster';

-- ------------------------------------------------- rows behind single figures

CREATE VIEW quality.failed_calls AS
SELECT
    coverage.repository_id,
    repositories.slug,
    coverage.resource,
    coverage.outcome,
    coverage.http_status,
    left(coverage.message, 120) AS message
FROM staging.coverage AS coverage
INNER JOIN staging.repositories AS repositories
    ON coverage.workspace = repositories.workspace AND coverage.repository_id = repositories.repository_id
WHERE
    coverage.workspace = current_setting('compliance.workspace')
    AND (
        coverage.outcome = 'failed'
        OR (coverage.outcome = 'not_found' AND coverage.resource <> 'pipelines_config')
    );
COMMENT ON VIEW quality.failed_calls IS 'The calls that error_share counts.';

CREATE VIEW quality.missing_objects AS
SELECT
    'repositories' AS listing,
    published.repository_id AS object_id,
    published.slug
FROM compliance.repositories AS published
WHERE
    published.workspace = current_setting('compliance.workspace')
    AND NOT EXISTS (
        SELECT 1 FROM staging.repositories AS staged
        WHERE staged.workspace = published.workspace AND staged.repository_id = published.repository_id
    )
UNION ALL
SELECT
    'members' AS listing,
    published.member_id AS object_id,
    null AS slug
FROM compliance.members AS published
WHERE
    published.workspace = current_setting('compliance.workspace')
    AND NOT EXISTS (
        SELECT 1 FROM staging.members AS staged
        WHERE staged.workspace = published.workspace AND staged.member_id = published.member_id
    );
COMMENT ON VIEW quality.missing_objects IS 'What was published last and is not listed any more.';

-- ------------------------------------------------------------------- verdicts

DROP VIEW quality.verdict_mismatches, quality.passing_verdicts, quality.verdicts;

CREATE VIEW quality.verdicts AS
SELECT
    workspace,
    run_id,
    test_id,
    subject_type,
    subject_id,
    CASE WHEN subject_type = 'repository' THEN subject_name END AS repository,
    status,
    basis,
    reason_code,
    reason,
    detail,
    facts,
    data_as_of,
    evaluated_at,
    test_id || ' ' || subject_id AS verdict_key,
    test_id || ' ' || status || ' ' || reason_code AS outcome,
    (extract(EPOCH FROM evaluated_at - data_as_of) / 3600.0)::double precision AS data_age_hours
FROM judged.verdicts
WHERE
    workspace = current_setting('compliance.workspace')
    AND run_id = current_setting('compliance.run_id');

CREATE VIEW quality.passing_verdicts AS
SELECT * FROM quality.verdicts
WHERE status = 'passing';

CREATE VIEW quality.verdict_mismatches AS
WITH enabled_tests AS (
    SELECT
        tests.test_id,
        tests.subject_type
    FROM judged.enabled_tests AS tests
    WHERE
        tests.workspace = current_setting('compliance.workspace')
        AND tests.run_id = current_setting('compliance.run_id')
),

subjects AS (
    SELECT
        'repository' AS subject_type,
        staged.repository_id AS subject_id,
        staged.slug AS repository
    FROM staging.repositories AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'member' AS subject_type,
        staged.member_id AS subject_id,
        null AS repository
    FROM staging.members AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'workspace' AS subject_type,
        staged.workspace_id AS subject_id,
        null AS repository
    FROM staging.workspaces AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
)

SELECT
    coalesce(expected.test_id, verdicts.test_id) AS test_id,
    coalesce(expected.subject_id, verdicts.subject_id) AS subject_id,
    coalesce(expected.repository, verdicts.repository) AS repository,
    expected.test_id IS NOT null AS is_expected,
    verdicts.test_id IS NOT null AS is_judged
FROM (
    SELECT
        enabled_tests.test_id,
        subjects.subject_id,
        subjects.repository
    FROM enabled_tests
    INNER JOIN subjects ON enabled_tests.subject_type = subjects.subject_type
) AS expected
FULL OUTER JOIN quality.verdicts AS verdicts
    ON expected.test_id = verdicts.test_id AND expected.subject_id = verdicts.subject_id
WHERE expected.test_id IS null OR verdicts.test_id IS null;
COMMENT ON VIEW quality.verdict_mismatches IS
'Where verdicts and subjects x enabled tests disagree: a subject nobody judged, or a verdict nobody asked for.';

CREATE VIEW quality.verdicts_on_evidence AS
WITH policy AS (
    SELECT
        (policies.body #>> '{thresholds,evidence_validity_days}')::integer AS validity_days,
        policies.body #>> '{thresholds,time_zone}' AS time_zone
    FROM integration.runs AS runs
    INNER JOIN registry.policy_versions AS policies ON runs.policy_version = policies.policy_version
    WHERE runs.run_id = current_setting('compliance.run_id')
)

SELECT
    verdicts.test_id,
    verdicts.subject_id,
    verdicts.repository,
    verdicts.status,
    verdicts.detail ->> 'evidence_id' AS evidence_id,
    evidence.status AS evidence_status,
    evidence.test_id AS evidence_about,
    evidence.captured_on,
    evidence.captured_on + policy.validity_days AS runs_out_on,
    (verdicts.evaluated_at AT TIME ZONE policy.time_zone)::date AS judged_on
FROM quality.verdicts AS verdicts
CROSS JOIN policy
LEFT JOIN registry.evidence_states AS evidence ON verdicts.detail ->> 'evidence_id' = evidence.evidence_id::text
WHERE verdicts.basis = 'evidence' AND verdicts.status IN ('passing', 'failing');
COMMENT ON VIEW quality.verdicts_on_evidence IS
'Verdicts with the evidence they rest on; days are those of the policy''s time zone.';

CREATE VIEW quality.unsupported_verdicts AS
SELECT * FROM quality.verdicts_on_evidence
WHERE
    evidence_status IS DISTINCT FROM 'accepted'
    OR evidence_about <> test_id
    OR captured_on > judged_on
    OR runs_out_on <= judged_on;
COMMENT ON VIEW quality.unsupported_verdicts IS
'Verdicts on evidence that is missing, not accepted, about another test, captured later than the run, or run out.';

-- ------------------------------------------------------- pages of each gate

ALTER TABLE integration.runs ADD COLUMN data_docs jsonb;
COMMENT ON COLUMN staging.repositories.read_at IS
'When everything below the repository was last asked for; null: never, or for another main branch than it has now. data_as_of is the listing''s.';
COMMENT ON COLUMN integration.runs.data_docs IS
'By gate, the address of the page that shows its expectations and the rows that broke them; null: none was written, or it was cleared away.';

CREATE OR REPLACE VIEW compliance.runs AS
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
    error,
    identity_role,
    decidable,
    plan,
    repositories_read,
    repositories_left,
    data_docs
FROM integration.runs;
COMMENT ON COLUMN compliance.runs.data_docs IS
'By gate (staging, results), where the page stands that shows its expectations and the rows that broke them, as the pipeline''s machine names it; null: none was written, or it was cleared away.';

GRANT SELECT ON
quality.workspaces,
quality.granted_scopes,
quality.member_emails,
quality.branching_models,
quality.branch_types,
quality.pull_request_builds,
quality.pipelines_configs,
quality.latest_pipelines,
quality.orphans,
quality.read_later_than_now,
quality.wrong_rule_matches,
quality.roster_age,
quality.failed_calls,
quality.missing_objects,
quality.verdicts,
quality.passing_verdicts,
quality.verdict_mismatches,
quality.verdicts_on_evidence,
quality.unsupported_verdicts
TO compliance_pipeline;
