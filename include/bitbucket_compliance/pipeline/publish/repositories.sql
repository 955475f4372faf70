-- Purpose: publish the inventory, or the part of it that a run judged; what could not be read is null, never false.

WITH rules AS (
    SELECT
        main_branch_rules.repository_id,
        bool_or(main_branch_rules.kind = 'push' AND main_branch_rules.matches_main_branch) AS push_restricted,
        bool_or(main_branch_rules.kind = 'force' AND main_branch_rules.matches_main_branch) AS force_prevented,
        bool_or(main_branch_rules.kind = 'delete' AND main_branch_rules.matches_main_branch) AS deletion_prevented,
        bool_or(main_branch_rules.kind = 'enforce_merge_checks' AND main_branch_rules.matches_main_branch) AS enforced,
        max(main_branch_rules.value) FILTER (
            WHERE
            main_branch_rules.matches_main_branch
            AND main_branch_rules.kind IN (
                'require_approvals_to_merge',
                'require_default_reviewer_approvals_to_merge',
                'require_review_group_approvals_to_merge'
            )
        ) AS approvals,
        max(main_branch_rules.value) FILTER (
            WHERE
            main_branch_rules.matches_main_branch
            AND main_branch_rules.kind = 'require_passing_builds_to_merge'
        ) AS builds,
        bool_or(main_branch_rules.matches_main_branch IS null) AS undecided
    FROM staging.main_branch_rules AS main_branch_rules
    WHERE
        main_branch_rules.workspace = %(workspace)s
        AND (%(subjects)s::text[] IS null OR main_branch_rules.repository_id = any(%(subjects)s::text[]))
    GROUP BY main_branch_rules.repository_id
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
),

inventory AS (
    SELECT
        repositories.*,
        coverage.pull_requests AS pull_requests_outcome,
        coverage.pipelines AS pipelines_outcome,
        coverage.pipelines_config AS pipelines_config_outcome,
        coverage.another_call_succeeded,
        coverage.data_as_of AS oldest_call_at,
        -- a rule whose branching model is unknown may or may not apply: then only what is certain is told
        coverage.branch_restrictions = 'ok' AND repositories.main_branch IS NOT null AS rules_readable,
        coalesce(rules.undecided, false) AS undecided,
        rules.push_restricted,
        rules.force_prevented,
        rules.deletion_prevented,
        rules.enforced,
        rules.approvals,
        rules.builds,
        open_pull_requests.open_pull_requests,
        configs.enabled AS pipelines_enabled,
        latest.state AS pipeline_state,
        latest.result AS pipeline_result,
        latest.created_on AS pipeline_created_on,
        classification.classification,
        classification.sensitivity,
        classification.owner
    FROM staging.repositories AS repositories
    INNER JOIN staging.repository_coverage AS coverage
        ON repositories.workspace = coverage.workspace AND repositories.repository_id = coverage.repository_id
    LEFT JOIN rules ON repositories.repository_id = rules.repository_id
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
        AND (%(subjects)s::text[] IS null OR repositories.repository_id = any(%(subjects)s::text[]))
)

INSERT INTO compliance.repositories (
    workspace,
    repository_id,
    slug,
    name,
    project_key,
    visibility,
    language,
    default_branch,
    open_pull_requests,
    required_approvals,
    required_builds,
    merge_checks_enforced,
    push_restricted,
    force_push_prevented,
    deletion_prevented,
    pipelines_enabled,
    last_pipeline_state,
    last_pipeline_at,
    classification,
    sensitivity,
    owner,
    updated_on,
    data_as_of
)
SELECT
    inventory.workspace,
    inventory.repository_id,
    inventory.slug,
    inventory.name,
    inventory.project_key,
    CASE inventory.is_private WHEN true THEN 'private' WHEN false THEN 'public' END,
    inventory.language,
    inventory.main_branch,
    CASE WHEN inventory.pull_requests_outcome = 'ok' THEN coalesce(inventory.open_pull_requests, 0) END,
    CASE
        WHEN inventory.rules_readable
            THEN coalesce(inventory.approvals, CASE WHEN NOT inventory.undecided THEN 0 END)
    END,
    CASE
        WHEN inventory.rules_readable
            THEN coalesce(inventory.builds, CASE WHEN NOT inventory.undecided THEN 0 END)
    END,
    CASE
        WHEN inventory.rules_readable
            THEN coalesce(inventory.enforced, false) OR CASE WHEN inventory.undecided THEN null ELSE false END
    END,
    CASE
        WHEN inventory.rules_readable
            THEN coalesce(inventory.push_restricted, false) OR CASE WHEN inventory.undecided THEN null ELSE false END
    END,
    CASE
        WHEN inventory.rules_readable
            THEN coalesce(inventory.force_prevented, false) OR CASE WHEN inventory.undecided THEN null ELSE false END
    END,
    CASE
        WHEN inventory.rules_readable
            THEN coalesce(inventory.deletion_prevented, false) OR CASE WHEN inventory.undecided THEN null ELSE false END
    END,
    CASE
        WHEN inventory.pipelines_config_outcome = 'ok' THEN inventory.pipelines_enabled
        WHEN inventory.pipelines_config_outcome = 'not_found' AND inventory.another_call_succeeded THEN false
    END,
    CASE
        WHEN inventory.pipelines_outcome = 'ok' THEN coalesce(inventory.pipeline_result, inventory.pipeline_state)
    END,
    CASE WHEN inventory.pipelines_outcome = 'ok' THEN inventory.pipeline_created_on END,
    inventory.classification,
    inventory.sensitivity,
    inventory.owner,
    inventory.updated_on,
    inventory.oldest_call_at
FROM inventory;
