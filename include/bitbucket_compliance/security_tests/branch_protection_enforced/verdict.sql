-- Purpose: judge branch_protection_enforced: is the main branch kept from free pushes, rewriting and deletion?
-- Order of the rules: design, section 5. Merges say nothing about it, so there is no basis in behaviour.

WITH required AS (
    SELECT DISTINCT protections.kind
    FROM unnest(%(required_protections)s::text[]) AS protections (kind)
),

rules AS (
    SELECT
        main_branch_rules.repository_id,
        array_agg(DISTINCT main_branch_rules.kind) FILTER (WHERE main_branch_rules.matches_main_branch) AS kinds,
        array_agg(DISTINCT main_branch_rules.kind) FILTER (
            WHERE main_branch_rules.matches_main_branch IS null
        ) AS undecided_kinds,
        jsonb_agg(main_branch_rules.rule ORDER BY main_branch_rules.restriction_id) FILTER (
            WHERE main_branch_rules.matches_main_branch
        ) AS matched
    FROM staging.main_branch_rules AS main_branch_rules
    INNER JOIN required ON main_branch_rules.kind = required.kind
    WHERE
        main_branch_rules.workspace = %(workspace)s
        AND (%(subjects)s::text[] IS null OR main_branch_rules.repository_id = any(%(subjects)s::text[]))
    GROUP BY main_branch_rules.repository_id
),

-- Accepted and within its validity, the newest for each repository; of a project apart.
evidence AS (
    SELECT
        valid.subject_id,
        (array_agg(valid.evidence_id ORDER BY valid.captured_on DESC, valid.submitted_at DESC))[1] AS evidence_id,
        max(valid.captured_on) AS captured_on,
        (array_agg(valid.evidence_id ORDER BY valid.captured_on DESC, valid.submitted_at DESC) FILTER (
            WHERE valid.scope = 'project'
        ))[1] AS project_evidence_id,
        max(valid.captured_on) FILTER (WHERE valid.scope = 'project') AS project_captured_on
    FROM
        registry.valid_evidence(
            %(workspace)s, 'branch_protection_enforced', %(today)s::date, %(evidence_validity_days)s::integer
        ) AS valid
    GROUP BY valid.subject_id
),

subjects AS MATERIALIZED (
    SELECT
        repositories.workspace,
        repositories.repository_id,
        repositories.slug,
        repositories.main_branch,
        classification.classification,
        classification.target_type || ' ' || classification.target AS entry,
        coverage.branch_restrictions,
        coverage.branching_model,
        coverage.data_as_of,
        coverage.read_at,
        coverage.read_at IS null
        OR coverage.data_as_of < %(as_of)s::timestamptz - make_interval(secs => 3600.0 * %(max_data_age_hours)s)
            AS not_read_in_time,
        rules.matched,
        evidence.evidence_id,
        evidence.captured_on,
        evidence.project_evidence_id,
        evidence.project_captured_on,
        (
            SELECT array_agg(required.kind ORDER BY required.kind)
            FROM required
            WHERE NOT required.kind = any(coalesce(rules.kinds, '{}'))
        ) AS missing,
        coalesce(rules.undecided_kinds, '{}') AS undecided_kinds,
        coalesce(push.direct_push, 'unknown') AS direct_push,
        coalesce(push.exempt_users, '[]') AS exempt_users,
        coalesce(push.exempt_groups, '[]') AS exempt_groups
    FROM staging.repositories AS repositories
    INNER JOIN staging.repository_coverage AS coverage
        ON repositories.workspace = coverage.workspace AND repositories.repository_id = coverage.repository_id
    LEFT JOIN registry.repository_classification AS classification
        ON
            repositories.workspace = classification.workspace
            AND repositories.repository_id = classification.repository_id
    LEFT JOIN staging.main_branch_push AS push
        ON repositories.workspace = push.workspace AND repositories.repository_id = push.repository_id
    LEFT JOIN rules ON repositories.repository_id = rules.repository_id
    LEFT JOIN evidence ON repositories.repository_id = evidence.subject_id
    WHERE
        repositories.workspace = %(workspace)s
        AND (%(subjects)s::text[] IS null OR repositories.repository_id = any(%(subjects)s::text[]))
),

-- A kind that only a rule of an unread branching model may hold is missing for sure only where the model was read.
lacking AS MATERIALIZED (
    SELECT
        subjects.*,
        (
            SELECT array_agg(kinds.kind ORDER BY kinds.kind)
            FROM unnest(subjects.missing) AS kinds (kind)
            WHERE NOT kinds.kind = any(subjects.undecided_kinds)
        ) AS surely_missing
    FROM subjects
),

readable AS (
    SELECT
        lacking.*,
        CASE
            WHEN
                lacking.branch_restrictions IN ('scope_missing', 'permission_missing')
                THEN lacking.branch_restrictions
            WHEN coalesce(lacking.branch_restrictions, 'failed') <> 'ok' THEN 'failed'
            -- an unread branching model matters only where it may hold everything that is missing otherwise
            WHEN lacking.missing IS null OR lacking.surely_missing IS NOT null THEN 'ok'
            WHEN lacking.branching_model IN ('scope_missing', 'permission_missing') THEN lacking.branching_model
            ELSE 'failed'
        END AS configuration
    FROM lacking
),

decided AS MATERIALIZED (
    SELECT
        readable.*,
        CASE
            WHEN readable.configuration = 'ok' THEN readable.project_evidence_id ELSE readable.evidence_id
        END AS used_evidence_id,
        CASE
            WHEN readable.configuration = 'ok' THEN readable.project_captured_on ELSE readable.captured_on
        END AS used_captured_on,
        CASE
            WHEN readable.classification = 'non_production' THEN 'non_production'
            WHEN readable.main_branch IS null THEN 'no_main_branch'
            WHEN readable.not_read_in_time THEN 'not_read_yet'
            WHEN readable.configuration = 'failed' THEN 'extract_failed'
            WHEN readable.configuration = 'ok' AND readable.missing IS null THEN 'protections_in_place'
            -- What no rule of the repository holds may be inherited of its project, which only evidence can show.
            WHEN
                CASE
                    WHEN readable.configuration = 'ok' THEN readable.project_evidence_id ELSE readable.evidence_id
                END IS NOT null
                THEN 'evidence_accepted'
            WHEN readable.configuration <> 'ok' THEN readable.configuration
            ELSE 'missing_protection'
        END AS reason_code
    FROM readable
)

INSERT INTO judged.verdicts (
    workspace,
    run_id,
    test_id,
    subject_type,
    subject_id,
    subject_name,
    status,
    basis,
    reason_code,
    reason,
    detail,
    facts,
    data_as_of,
    evaluated_at
)
SELECT
    decided.workspace,
    %(run_id)s,
    'branch_protection_enforced',
    'repository',
    decided.repository_id,
    decided.slug,
    CASE
        WHEN decided.reason_code IN ('non_production', 'no_main_branch') THEN 'not_applicable'
        WHEN decided.reason_code = 'extract_failed' THEN 'error'
        WHEN decided.reason_code IN ('protections_in_place', 'evidence_accepted') THEN 'passing'
        WHEN decided.reason_code = 'missing_protection' THEN 'failing'
        ELSE 'pending'
    END,
    CASE
        WHEN decided.reason_code = 'non_production' THEN 'registry'
        WHEN decided.reason_code IN ('protections_in_place', 'missing_protection') THEN 'configuration'
        WHEN decided.reason_code = 'evidence_accepted' THEN 'evidence'
    END,
    decided.reason_code,
    CASE decided.reason_code
        WHEN 'non_production' THEN 'Declared non-production.'
        WHEN 'no_main_branch' THEN 'The repository has no main branch: there is nothing to protect.'
        WHEN 'not_read_yet'
            THEN
                CASE
                    WHEN decided.read_at IS null THEN 'Not read yet: it waits for its turn in the request budget.'
                    ELSE format(
                        'Last read on %%s, too long ago to tell: it waits for its turn in the request budget.',
                        (decided.data_as_of AT TIME ZONE 'UTC')::date
                    )
                END
        WHEN 'extract_failed'
            THEN
                CASE
                    WHEN coalesce(decided.branch_restrictions, 'failed') <> 'ok'
                        THEN 'Could not be read in this run: the branch restrictions.'
                    ELSE 'Could not be read in this run: the effective branching model.'
                END
        WHEN 'scope_missing' THEN 'The rules can''t be read: the connection lacks the scope repository:admin.'
        WHEN 'permission_missing' THEN 'The rules can''t be read: this identity lacks admin rights on the repository.'
        WHEN 'evidence_accepted'
            THEN format(
                'Accepted evidence, captured on %%s, shows that %%s is protected.',
                decided.used_captured_on,
                decided.main_branch
            )
        WHEN 'protections_in_place'
            THEN format(
                'Restrictions on %%s: %%s.',
                decided.main_branch,
                (SELECT string_agg(required.kind, ', ' ORDER BY required.kind) FROM required)
            )
        ELSE
            format(
                'No restriction on %%s against: %%s.',
                decided.main_branch,
                array_to_string(decided.surely_missing, ', ')
            )
    END,
    jsonb_build_object(
        'main_branch', decided.main_branch,
        'direct_push', decided.direct_push,
        'exempt_users', decided.exempt_users,
        'exempt_groups', decided.exempt_groups,
        'configuration', decided.configuration,
        'rules', coalesce(decided.matched, '[]'),
        'missing', to_jsonb(coalesce(decided.surely_missing, '{}'))
    ) || CASE
        WHEN decided.reason_code = 'non_production'
            THEN jsonb_build_object('entry', decided.entry)
        WHEN decided.reason_code = 'evidence_accepted'
            THEN jsonb_build_object('evidence_id', decided.used_evidence_id, 'captured_on', decided.used_captured_on)
        ELSE '{}'
    END,
    CASE
        WHEN decided.reason_code IN ('protections_in_place', 'missing_protection')
            THEN
                jsonb_build_object(
                    'rules',
                    coalesce(decided.matched, '[]'),
                    'missing',
                    to_jsonb(coalesce(decided.surely_missing, '{}'))
                )
        WHEN decided.reason_code = 'evidence_accepted'
            THEN jsonb_build_object('evidence_id', decided.used_evidence_id)
        ELSE '{}'
    END,
    decided.data_as_of,
    %(as_of)s
FROM decided;
