-- Purpose: pull requests merged into the main branch, or into one that was the main branch when they were merged:
-- renaming a branch forgives nothing.

CREATE VIEW staging.merged_pull_requests AS
SELECT
    pull_requests.workspace,
    pull_requests.repository_id,
    pull_requests.pull_request_id,
    pull_requests.author_id,
    pull_requests.approved_by,
    pull_requests.approved_by_accounts,
    pull_requests.unknown_approvals,
    pull_requests.merged_after,
    pull_requests.merged_on,
    builds.builds,
    builds.builds_failed,
    builds.builds_in_progress
FROM staging.pull_requests AS pull_requests
INNER JOIN staging.repositories AS repositories
    ON
        pull_requests.workspace = repositories.workspace
        AND pull_requests.repository_id = repositories.repository_id
        AND (pull_requests.into_main_branch OR pull_requests.destination_branch = repositories.main_branch)
LEFT JOIN staging.pull_request_builds AS builds
    ON
        pull_requests.workspace = builds.workspace
        AND pull_requests.repository_id = builds.repository_id
        AND pull_requests.pull_request_id = builds.pull_request_id
WHERE pull_requests.state = 'MERGED';
