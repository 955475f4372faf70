-- Purpose: judge status_checks_required: can anything be merged into the main branch without passing builds?
-- Order of the rules: design, section 5.

WITH rules AS (
    SELECT
        main_branch_rules.repository_id,
        max(main_branch_rules.value) FILTER (
            WHERE main_branch_rules.kind <> 'enforce_merge_checks' AND main_branch_rules.matches_main_branch
        ) AS required,
        coalesce(bool_or(
            main_branch_rules.kind = 'enforce_merge_checks' AND main_branch_rules.matches_main_branch
        ), false) AS enforced,
        -- with the rules whose branching model was not read: what may apply
        max(main_branch_rules.value) FILTER (
            WHERE main_branch_rules.kind <> 'enforce_merge_checks'
        ) AS required_at_most,
        bool_or(main_branch_rules.kind = 'enforce_merge_checks') AS enforced_at_most,
        jsonb_agg(main_branch_rules.rule ORDER BY main_branch_rules.restriction_id) FILTER (
            WHERE main_branch_rules.matches_main_branch
        ) AS matched
    FROM staging.main_branch_rules AS main_branch_rules
    WHERE
        main_branch_rules.workspace = %(workspace)s
        AND (%(subjects)s::text[] IS null OR main_branch_rules.repository_id = any(%(subjects)s::text[]))
        AND main_branch_rules.kind IN ('require_passing_builds_to_merge', 'enforce_merge_checks')
    GROUP BY main_branch_rules.repository_id
),

sampled AS (
    SELECT
        merged.*,
        row_number() OVER (
            PARTITION BY merged.repository_id ORDER BY merged.updated_on DESC, merged.pull_request_id DESC
        ) AS recency
    FROM staging.merged_pull_requests AS merged
    WHERE
        merged.workspace = %(workspace)s
        AND merged.updated_on >= %(window_start)s
        AND (%(subjects)s::text[] IS null OR merged.repository_id = any(%(subjects)s::text[]))
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
            %(workspace)s, 'status_checks_required', %(today)s::date, %(evidence_validity_days)s::integer
        ) AS valid
    GROUP BY valid.subject_id
),

behaviour AS (
    SELECT
        sampled.repository_id,
        count(*) AS merged,
        count(*) FILTER (WHERE sampled.builds IS null) AS unknown,
        array_agg(sampled.pull_request_id ORDER BY sampled.recency) AS numbers,
        array_agg(sampled.pull_request_id ORDER BY sampled.recency) FILTER (
            WHERE sampled.builds = 0 OR sampled.builds_not_successful > 0
        ) AS broken,
        max(sampled.updated_on) FILTER (
            WHERE sampled.builds = 0 OR sampled.builds_not_successful > 0
        ) AS last_broken_at,
        max(sampled.updated_on) FILTER (WHERE sampled.builds IS null) AS last_unknown_at
    FROM sampled
    WHERE sampled.recency <= %(behaviour_sample)s
    GROUP BY sampled.repository_id
),

subjects AS MATERIALIZED (
    SELECT
        repositories.workspace,
        repositories.repository_id,
        repositories.slug,
        repositories.main_branch,
        classification.classification,
        classification.target_type || ' ' || classification.target AS entry,
        coverage.pull_requests,
        coverage.pull_request_statuses,
        coverage.data_as_of,
        coverage.read_at,
        coverage.read_at IS null
        OR coverage.data_as_of < %(as_of)s::timestamptz - make_interval(secs => 3600.0 * %(max_data_age_hours)s)
            AS not_read_in_time,
        rules.matched,
        coalesce(rules.required >= %(min_passing_builds)s, false) AS has_rule,
        coalesce(rules.enforced, false) AS enforced,
        coalesce(behaviour.merged, 0) AS merged,
        coalesce(behaviour.unknown, 0) AS unknown,
        behaviour.numbers,
        behaviour.broken,
        behaviour.last_broken_at,
        behaviour.last_unknown_at,
        rules.required,
        evidence.evidence_id,
        evidence.captured_on,
        evidence.project_evidence_id,
        evidence.project_captured_on,
        coalesce(push.direct_push, 'unknown') AS direct_push,
        CASE
            WHEN
                coverage.branch_restrictions IN ('scope_missing', 'permission_missing')
                THEN coverage.branch_restrictions
            WHEN coalesce(coverage.branch_restrictions, 'failed') <> 'ok' THEN 'failed'
            -- an unread branching model matters only where it may change the outcome
            WHEN coalesce(rules.required_at_most, 0) < %(min_passing_builds)s THEN 'ok'
            WHEN
                rules.required >= %(min_passing_builds)s AND rules.enforced = rules.enforced_at_most
                THEN 'ok'
            WHEN coverage.branching_model IN ('scope_missing', 'permission_missing') THEN coverage.branching_model
            ELSE 'failed'
        END AS configuration,
        coalesce(coverage.branch_restrictions, 'failed') <> 'ok' AS restrictions_failed
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
    LEFT JOIN behaviour ON repositories.repository_id = behaviour.repository_id
    LEFT JOIN evidence ON repositories.repository_id = evidence.subject_id
    WHERE
        repositories.workspace = %(workspace)s
        AND (%(subjects)s::text[] IS null OR repositories.repository_id = any(%(subjects)s::text[]))
),

decided AS MATERIALIZED (
    SELECT
        subjects.*,
        CASE
            WHEN subjects.configuration = 'ok' THEN subjects.project_evidence_id ELSE subjects.evidence_id
        END AS used_evidence_id,
        CASE
            WHEN subjects.configuration = 'ok' THEN subjects.project_captured_on ELSE subjects.captured_on
        END AS used_captured_on,
        CASE
            WHEN subjects.classification = 'non_production' THEN 'non_production'
            WHEN subjects.main_branch IS null THEN 'no_main_branch'
            WHEN subjects.not_read_in_time THEN 'not_read_yet'
            WHEN subjects.configuration = 'failed' THEN 'extract_failed'
            WHEN subjects.configuration = 'ok' AND subjects.has_rule AND subjects.enforced THEN 'rule_enforced'
            WHEN subjects.configuration = 'ok' AND subjects.has_rule THEN 'advisory_only'
            -- No rule of the repository applies: it may inherit one of its project, which only evidence can show.
            WHEN
                subjects.configuration = 'ok'
                AND (subjects.project_evidence_id IS null OR subjects.required IS NOT null)
                THEN 'no_matching_rule'
            WHEN
                coalesce(subjects.pull_requests, 'failed') NOT IN ('ok', 'scope_missing', 'permission_missing')
                THEN 'extract_failed'
            WHEN
                subjects.pull_requests = 'ok' AND subjects.unknown > 0
                AND subjects.pull_request_statuses IN ('failed', 'not_found')
                THEN 'extract_failed'
            WHEN
                subjects.configuration = 'ok' AND subjects.pull_requests = 'ok'
                AND subjects.last_broken_at >= (subjects.project_captured_on::timestamp AT TIME ZONE %(time_zone)s)
                THEN 'no_matching_rule'
            -- The builds of merges since the capture are asked for when the repository is read again.
            WHEN
                subjects.configuration = 'ok' AND subjects.pull_requests = 'ok'
                AND subjects.last_unknown_at >= (subjects.project_captured_on::timestamp AT TIME ZONE %(time_zone)s)
                AND coalesce(subjects.pull_request_statuses, 'ok') = 'ok'
                THEN 'not_read_yet'
            WHEN subjects.configuration = 'ok' THEN 'evidence_accepted'
            -- The rules can't be read: behaviour that breaks them, then evidence, then clean behaviour.
            WHEN
                subjects.pull_requests = 'ok' AND subjects.broken IS NOT null
                THEN 'merged_without_passing_build'
            WHEN subjects.evidence_id IS NOT null THEN 'evidence_accepted'
            WHEN subjects.pull_requests <> 'ok' THEN subjects.pull_requests
            WHEN subjects.unknown > 0 AND subjects.pull_request_statuses IN ('scope_missing', 'permission_missing')
                THEN subjects.pull_request_statuses
            WHEN subjects.unknown > 0 THEN 'extract_failed'
            WHEN subjects.merged >= %(behaviour_min_sample)s THEN 'merges_had_passing_builds'
            ELSE 'too_few_merges'
        END AS reason_code
    FROM subjects
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
    'status_checks_required',
    'repository',
    decided.repository_id,
    decided.slug,
    CASE
        WHEN decided.reason_code IN ('non_production', 'no_main_branch') THEN 'not_applicable'
        WHEN decided.reason_code = 'extract_failed' THEN 'error'
        WHEN
            decided.reason_code IN ('rule_enforced', 'merges_had_passing_builds', 'evidence_accepted')
            THEN 'passing'
        WHEN decided.reason_code IN ('advisory_only', 'no_matching_rule', 'merged_without_passing_build') THEN 'failing'
        ELSE 'pending'
    END,
    CASE
        WHEN decided.reason_code = 'non_production' THEN 'registry'
        WHEN decided.reason_code IN ('rule_enforced', 'advisory_only', 'no_matching_rule') THEN 'configuration'
        WHEN decided.reason_code IN ('merges_had_passing_builds', 'merged_without_passing_build') THEN 'behaviour'
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
                    WHEN
                        NOT decided.not_read_in_time
                        THEN 'The builds of merges since the evidence about the project were not read yet.'
                    ELSE format(
                        'Last read on %%s, too long ago to tell: it waits for its turn in the request budget.',
                        (decided.data_as_of AT TIME ZONE 'UTC')::date
                    )
                END
        WHEN 'extract_failed'
            THEN format(
                'Could not be read in this run: %%s.',
                CASE
                    WHEN
                        decided.configuration = 'failed' AND decided.restrictions_failed
                        THEN 'the branch restrictions'
                    WHEN decided.configuration = 'failed' THEN 'the effective branching model'
                    WHEN coalesce(decided.pull_requests, 'failed') <> 'ok' THEN 'the pull requests'
                    ELSE 'the build statuses of a merged pull request'
                END
            )
        WHEN 'rule_enforced'
            THEN
                format(
                    'Rules require passing builds to merge into %%s, and unmet checks block the merge.',
                    decided.main_branch
                )
        WHEN 'advisory_only'
            THEN
                format(
                    'Passing builds are asked for on %%s, but unmet checks only warn: nothing enforces them.',
                    decided.main_branch
                )
        WHEN 'no_matching_rule'
            THEN
                format(
                    'No rule of this repository requires enough passing builds to merge into %%s.', decided.main_branch
                )
                || CASE
                    WHEN decided.used_evidence_id IS null OR decided.required IS NOT null THEN ''
                    ELSE format(
                        ' The evidence of %%s about its project does not count: merged since without a passing '
                        || 'build: #%%s.',
                        decided.used_captured_on,
                        array_to_string(decided.broken, ', #')
                    )
                END
        WHEN 'evidence_accepted'
            THEN format(
                'Accepted evidence, captured on %%s, shows that passing builds are required to merge into %%s.',
                decided.used_captured_on,
                decided.main_branch
            )
        WHEN 'merged_without_passing_build'
            THEN format(
                'Merged into %%s without a passing build: #%%s.',
                decided.main_branch,
                array_to_string(decided.broken, ', #')
            )
        WHEN 'merges_had_passing_builds'
            THEN format(
                'The newest %%s pull requests merged into %%s in %%s days had passing builds.',
                decided.merged,
                decided.main_branch,
                %(behaviour_window_days)s::integer
            )
        WHEN 'scope_missing'
            THEN
                CASE decided.configuration
                    WHEN 'scope_missing' THEN 'The rules can''t be read for want of the scope repository:admin, '
                    ELSE 'The rules can''t be read for want of admin rights, '
                END || 'and merges can''t for want of the scope pullrequest.'
        WHEN 'permission_missing'
            THEN 'Neither rules nor merges can be read: this identity lacks rights on the repository.'
        ELSE format(
            'The rules can''t be read, and only %%s pull requests were merged into %%s in %%s days: %%s needed.',
            decided.merged,
            decided.main_branch,
            %(behaviour_window_days)s::integer,
            %(behaviour_min_sample)s::integer
        )
    END,
    jsonb_build_object(
        'main_branch', decided.main_branch,
        'direct_push', decided.direct_push,
        'configuration', decided.configuration,
        'rules', coalesce(decided.matched, '[]'),
        'merges_looked_at', CASE WHEN decided.pull_requests = 'ok' THEN decided.merged END,
        'merges', CASE WHEN decided.pull_requests = 'ok' THEN to_jsonb(coalesce(decided.numbers, '{}')) END,
        'merges_that_broke_the_rule',
        CASE WHEN decided.pull_requests = 'ok' THEN to_jsonb(coalesce(decided.broken, '{}')) END
    ) || CASE
        WHEN decided.reason_code = 'non_production'
            THEN jsonb_build_object('entry', decided.entry)
        WHEN decided.reason_code = 'evidence_accepted'
            THEN jsonb_build_object('evidence_id', decided.used_evidence_id, 'captured_on', decided.used_captured_on)
        ELSE '{}'
    END,
    CASE
        WHEN decided.reason_code IN ('rule_enforced', 'advisory_only', 'no_matching_rule')
            THEN jsonb_build_object('rules', coalesce(decided.matched, '[]'))
        WHEN
            decided.reason_code = 'merged_without_passing_build'
            THEN jsonb_build_object('pull_requests', to_jsonb(decided.broken))
        WHEN decided.reason_code = 'evidence_accepted'
            THEN jsonb_build_object('evidence_id', decided.used_evidence_id)
        WHEN decided.reason_code IN ('scope_missing', 'permission_missing')
            THEN jsonb_build_object('unreadable', decided.configuration)
        ELSE '{}'
    END,
    decided.data_as_of,
    %(as_of)s
FROM decided;
