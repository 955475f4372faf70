-- Purpose: the inventory, or the part of it that a run judged; what could not be read is null, never false.

WITH rules AS (
    SELECT
        readable.repository_id,
        -- true where a rule applies, null where none does or that is not known
        bool_or(rules.matches_main_branch) FILTER (WHERE rules.kind = 'push') AS push_restricted,
        bool_or(rules.matches_main_branch) FILTER (WHERE rules.kind = 'force') AS force_push_prevented,
        bool_or(rules.matches_main_branch) FILTER (WHERE rules.kind = 'delete') AS deletion_prevented,
        bool_or(rules.matches_main_branch) FILTER (WHERE rules.kind = 'enforce_merge_checks') AS merge_checks_enforced,
        max(rules.value) FILTER (
            WHERE
            rules.matches_main_branch
            AND rules.kind IN (
                'require_approvals_to_merge',
                'require_default_reviewer_approvals_to_merge',
                'require_review_group_approvals_to_merge'
            )
        ) AS required_approvals,
        max(rules.value) FILTER (
            WHERE rules.matches_main_branch AND rules.kind = 'require_passing_builds_to_merge'
        ) AS required_builds,
        -- a rule whose branching model is unknown may or may not apply: then only what is certain is told
        CASE WHEN count(rules.restriction_id) = count(rules.matches_main_branch) THEN false END AS otherwise
    FROM staging.repository_coverage AS readable
    INNER JOIN staging.repositories AS repositories
        ON readable.workspace = repositories.workspace AND readable.repository_id = repositories.repository_id
    LEFT JOIN staging.main_branch_rules AS rules
        ON readable.workspace = rules.workspace AND readable.repository_id = rules.repository_id
    WHERE
        readable.workspace = %(workspace)s
        AND (%(subjects)s::text[] IS null OR readable.repository_id = any(%(subjects)s::text[]))
        AND readable.branch_restrictions = 'ok'
        AND repositories.main_branch IS NOT null
    GROUP BY readable.repository_id
),

-- what a pull request shows where the repository's own rules can't be read, or fall short: all that applies
in_effect AS (
    SELECT
        builds.repository_id,
        builds.required AS required_builds,
        approvals.required AS required_approvals,
        seen.enforced,
        format('pull request #%%s', seen.pull_request_id) AS seen_by
    FROM
        judging.checks_in_effect(
            %(workspace)s, %(subjects)s, 'minimum_successful_builds', '{}', 1, %(oldest_merge_checks)s
        ) AS builds
    INNER JOIN
        judging.checks_in_effect(
            %(workspace)s, %(subjects)s, 'minimum_(\w+_)?approvals', '{}', 1, %(oldest_merge_checks)s
        ) AS approvals
        ON builds.repository_id = approvals.repository_id
    INNER JOIN staging.merge_checks AS seen
        ON seen.workspace = %(workspace)s AND builds.repository_id = seen.repository_id
),

open_pull_requests AS (
    SELECT
        pull_requests.repository_id,
        count(*) AS open_pull_requests
    FROM staging.pull_requests AS pull_requests
    WHERE
        pull_requests.workspace = %(workspace)s
        AND pull_requests.state = 'OPEN'
        AND (%(subjects)s::text[] IS null OR pull_requests.repository_id = any(%(subjects)s::text[]))
    GROUP BY pull_requests.repository_id
)

SELECT
    repositories.workspace,
    repositories.repository_id,
    repositories.slug,
    repositories.name,
    repositories.project_key,
    CASE repositories.is_private WHEN true THEN 'private' WHEN false THEN 'public' END AS visibility,
    repositories.language,
    repositories.main_branch AS default_branch,
    CASE
        WHEN coverage.pull_requests = 'ok' THEN coalesce(open_pull_requests.open_pull_requests, 0)
    END AS open_pull_requests,
    greatest(
        in_effect.required_approvals, coalesce(rules.required_approvals, rules.otherwise::integer)
    ) AS required_approvals,
    greatest(in_effect.required_builds, coalesce(rules.required_builds, rules.otherwise::integer)) AS required_builds,
    coalesce(in_effect.enforced, rules.merge_checks_enforced, rules.otherwise) AS merge_checks_enforced,
    coalesce(in_effect.seen_by, CASE WHEN rules.repository_id IS NOT null THEN 'own rules' END) AS merge_rules_seen,
    coalesce(rules.push_restricted, rules.otherwise) AS push_restricted,
    coalesce(rules.force_push_prevented, rules.otherwise) AS force_push_prevented,
    coalesce(rules.deletion_prevented, rules.otherwise) AS deletion_prevented,
    CASE
        WHEN coverage.pipelines_config = 'ok' THEN configs.enabled
        WHEN coverage.pipelines_config = 'not_found' AND coverage.another_call_succeeded THEN false
    END AS pipelines_enabled,
    CASE WHEN coverage.pipelines = 'ok' THEN coalesce(latest.result, latest.state) END AS last_pipeline_state,
    CASE WHEN coverage.pipelines = 'ok' THEN latest.created_on END AS last_pipeline_at,
    classification.classification,
    classification.sensitivity,
    classification.owner,
    repositories.updated_on,
    coverage.data_as_of,
    %(workspace_id)s AS workspace_id
FROM staging.repositories AS repositories
INNER JOIN staging.repository_coverage AS coverage
    ON repositories.workspace = coverage.workspace AND repositories.repository_id = coverage.repository_id
LEFT JOIN rules ON repositories.repository_id = rules.repository_id
LEFT JOIN in_effect ON repositories.repository_id = in_effect.repository_id
LEFT JOIN open_pull_requests ON repositories.repository_id = open_pull_requests.repository_id
LEFT JOIN staging.pipelines_configs AS configs
    ON repositories.workspace = configs.workspace AND repositories.repository_id = configs.repository_id
LEFT JOIN staging.latest_pipelines AS latest
    ON repositories.workspace = latest.workspace AND repositories.repository_id = latest.repository_id
LEFT JOIN registry.repository_classification AS classification
    ON
        repositories.workspace = classification.workspace
        AND repositories.repository_id = classification.repository_id
WHERE
    repositories.workspace = %(workspace)s
    AND (%(subjects)s::text[] IS null OR repositories.repository_id = any(%(subjects)s::text[]));
