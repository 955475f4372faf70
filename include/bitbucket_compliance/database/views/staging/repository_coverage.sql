-- Purpose: the outcome of each call on a repository when it was last read; null: the call was not needed. A listing
-- that stayed shorter or longer than its own size counts as failed, and so does what the gate over staging found wrong.

CREATE VIEW staging.repository_coverage AS
WITH held_back AS (
    SELECT
        held.workspace,
        held.subject_id,
        array_agg(held.resource) AS resources
    FROM staging.held_back AS held
    GROUP BY held.workspace, held.subject_id
),

outcomes AS (
    SELECT
        coverage.workspace,
        coverage.repository_id,
        coverage.resource,
        coverage.data_as_of,
        -- what is known to be incomplete is not known: a rule or a merge may be missing from it
        CASE
            WHEN coverage.outcome = 'ok' AND NOT coverage.complete THEN 'failed'
            WHEN coverage.outcome = 'ok' AND held_back.resources && ARRAY[coverage.resource, ''] THEN 'failed'
            ELSE coverage.outcome
        END AS outcome
    FROM staging.coverage AS coverage
    LEFT JOIN held_back
        ON coverage.workspace = held_back.workspace AND coverage.repository_id = held_back.subject_id
),

-- Grouped before it is joined: there are several calls to a repository.
calls AS (
    SELECT
        outcomes.workspace,
        outcomes.repository_id,
        max(outcomes.outcome) FILTER (WHERE outcomes.resource = 'branch_restrictions') AS branch_restrictions,
        max(outcomes.outcome) FILTER (WHERE outcomes.resource = 'effective_branching_model') AS branching_model,
        max(outcomes.outcome) FILTER (WHERE outcomes.resource = 'pull_requests') AS pull_requests,
        max(outcomes.outcome) FILTER (WHERE outcomes.resource = 'pull_request_statuses') AS pull_request_statuses,
        max(outcomes.outcome) FILTER (WHERE outcomes.resource = 'merge_checks') AS merge_checks,
        max(outcomes.outcome) FILTER (WHERE outcomes.resource = 'default_reviewers') AS default_reviewers,
        max(outcomes.outcome) FILTER (WHERE outcomes.resource = 'main_branch_ref') AS main_branch_ref,
        max(outcomes.outcome) FILTER (WHERE outcomes.resource = 'pipelines_config') AS pipelines_config,
        max(outcomes.outcome) FILTER (WHERE outcomes.resource = 'pipelines') AS pipelines,
        bool_or(
            outcomes.outcome = 'ok' AND outcomes.resource NOT IN ('pipelines_config', 'pull_request_statuses')
        ) AS another_call_succeeded,
        min(outcomes.data_as_of) AS data_as_of
    FROM outcomes
    GROUP BY outcomes.workspace, outcomes.repository_id
)

SELECT
    repositories.workspace,
    repositories.repository_id,
    calls.branch_restrictions,
    calls.branching_model,
    calls.pull_requests,
    calls.pull_request_statuses,
    calls.merge_checks,
    calls.default_reviewers,
    calls.main_branch_ref,
    calls.pipelines_config,
    calls.pipelines,
    coalesce(calls.another_call_succeeded, false) AS another_call_succeeded,
    coalesce(calls.data_as_of, repositories.data_as_of) AS data_as_of,
    repositories.read_at
FROM staging.repositories AS repositories
LEFT JOIN calls
    ON repositories.workspace = calls.workspace AND repositories.repository_id = calls.repository_id;
