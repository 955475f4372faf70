-- Purpose: pull requests merged into the main branch, by updated_on: lists carry no closing time.

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
