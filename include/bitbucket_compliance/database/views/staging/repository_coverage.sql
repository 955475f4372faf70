-- Purpose: the outcome of each call on a repository when it was last read.
-- What is known to be incomplete is not known: a rule or a merge may be missing from it.

CREATE VIEW staging.repository_coverage AS
WITH outcomes AS (
    SELECT
        coverage.workspace,
        coverage.repository_id,
        coverage.resource,
        coverage.data_as_of,
        CASE WHEN coverage.outcome = 'ok' AND NOT coverage.complete THEN 'failed' ELSE coverage.outcome END AS outcome
    FROM staging.coverage AS coverage
)

SELECT
    repositories.workspace,
    repositories.repository_id,
    max(outcomes.outcome) FILTER (WHERE outcomes.resource = 'branch_restrictions') AS branch_restrictions,
    max(outcomes.outcome) FILTER (WHERE outcomes.resource = 'effective_branching_model') AS branching_model,
    max(outcomes.outcome) FILTER (WHERE outcomes.resource = 'pull_requests') AS pull_requests,
    max(outcomes.outcome) FILTER (WHERE outcomes.resource = 'pull_request_statuses') AS pull_request_statuses,
    max(outcomes.outcome) FILTER (WHERE outcomes.resource = 'pipelines_config') AS pipelines_config,
    max(outcomes.outcome) FILTER (WHERE outcomes.resource = 'pipelines') AS pipelines,
    coalesce(
        bool_or(
            outcomes.outcome = 'ok' AND outcomes.resource NOT IN ('pipelines_config', 'pull_request_statuses')
        ),
        false
    ) AS another_call_succeeded,
    coalesce(min(outcomes.data_as_of), max(repositories.data_as_of)) AS data_as_of,
    max(repositories.read_at) AS read_at
FROM staging.repositories AS repositories
LEFT JOIN outcomes
    ON repositories.workspace = outcomes.workspace AND repositories.repository_id = outcomes.repository_id
GROUP BY repositories.workspace, repositories.repository_id;

COMMENT ON VIEW staging.repository_coverage IS
'Outcome of each call on a repository when it was last read; null: the call was not needed. A listing that stayed
shorter or longer than its own size counts as failed.';

GRANT SELECT ON staging.repository_coverage TO compliance_pipeline;
