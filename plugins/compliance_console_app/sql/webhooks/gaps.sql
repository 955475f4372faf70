-- Purpose: one page of what polling found in a workspace and no webhook announced, newest first.

SELECT
    gaps.kind,
    gaps.object_key,
    gaps.changed_at,
    gaps.found_at,
    gaps.run_id,
    coalesce(repositories.slug, gaps.repository_id) AS repository,
    count(*) OVER () AS total
FROM integration.webhook_gaps AS gaps
LEFT JOIN compliance.repositories AS repositories
    ON gaps.workspace = repositories.workspace AND gaps.repository_id = repositories.repository_id
WHERE gaps.workspace = %(workspace)s
ORDER BY gaps.found_at DESC, gaps.changed_at DESC, gaps.repository_id ASC, gaps.object_key ASC
LIMIT %(limit)s OFFSET %(offset)s
