-- Purpose: the interval to be opened for every repository of the inventory that has none.

SELECT
    repositories.workspace,
    repositories.repository_id,
    repositories.slug,
    repositories.project_key,
    repositories.visibility,
    repositories.default_branch,
    repositories.owner,
    repositories.classification,
    repositories.sensitivity,
    listed.created_on,
    %(published_at)s AS valid_from,
    repositories.workspace_id
FROM compliance.repositories AS repositories
LEFT JOIN staging.repositories AS listed
    ON repositories.workspace = listed.workspace AND repositories.repository_id = listed.repository_id
WHERE
    repositories.workspace = %(workspace)s
    AND repositories.repository_id NOT IN (
        SELECT history.repository_id
        FROM compliance.repository_history AS history
        WHERE history.workspace = %(workspace)s AND history.valid_to IS null
    );
