-- Purpose: end the intervals of repositories of which something changed, or that left the inventory.

UPDATE compliance.repository_history AS history
SET valid_to = %(published_at)s, recorded_at = clock_timestamp()
WHERE
    history.workspace = %(workspace)s
    AND history.valid_to IS null
    AND NOT EXISTS (
        SELECT 1
        FROM compliance.repositories AS repositories
        WHERE
            repositories.workspace = history.workspace
            AND repositories.repository_id = history.repository_id
            AND repositories.slug IS NOT DISTINCT FROM history.slug
            AND repositories.project_key IS NOT DISTINCT FROM history.project_key
            AND repositories.visibility IS NOT DISTINCT FROM history.visibility
            AND repositories.default_branch IS NOT DISTINCT FROM history.default_branch
            AND repositories.owner IS NOT DISTINCT FROM history.owner
            AND repositories.classification IS NOT DISTINCT FROM history.classification
            AND repositories.sensitivity IS NOT DISTINCT FROM history.sensitivity
    );
