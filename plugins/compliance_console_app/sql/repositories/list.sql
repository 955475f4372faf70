-- Purpose: repositories of a workspace, filtered, sorted, one page of them.
-- What is declared at this moment is worked out for all of them only where filter or order ask for it.

WITH declared AS MATERIALIZED (
    SELECT
        standing.repository_id,
        standing.classification,
        standing.sensitivity,
        standing.owner
    FROM registry.repository_classification AS standing
    WHERE %(by_declared)s::boolean AND standing.workspace = %(workspace)s
),

inventory AS (
    SELECT
        repositories.repository_id,
        coalesce(repositories.slug, repositories.repository_id) AS slug,
        repositories.name,
        repositories.project_key,
        repositories.visibility,
        repositories.default_branch,
        repositories.open_pull_requests,
        repositories.required_approvals,
        repositories.required_builds,
        repositories.merge_checks_enforced,
        repositories.push_restricted,
        repositories.pipelines_enabled,
        repositories.last_pipeline_state,
        repositories.updated_on,
        repositories.classification AS published_classification,
        repositories.sensitivity AS published_sensitivity,
        repositories.owner AS published_owner,
        declared.classification,
        declared.sensitivity,
        declared.owner
    FROM compliance.repositories AS repositories
    LEFT JOIN declared ON repositories.repository_id = declared.repository_id
    WHERE repositories.workspace = %(workspace)s
),

chosen AS (
    SELECT
        inventory.*,
        CASE %(sort)s::text
            WHEN 'name' THEN lower(inventory.slug)
            WHEN 'project' THEN lower(inventory.project_key)
            WHEN 'visibility' THEN inventory.visibility
            WHEN 'classification' THEN inventory.classification
            WHEN 'sensitivity' THEN inventory.sensitivity
            WHEN 'owner' THEN lower(inventory.owner)
            WHEN 'updated' THEN to_char(inventory.updated_on, 'YYYYMMDDHH24MISS')
        END AS sort_key
    FROM inventory
    WHERE
        (
            %(search)s::text = ''
            OR strpos(lower(inventory.slug), lower(%(search)s)) > 0
            OR strpos(lower(inventory.name), lower(%(search)s)) > 0
        )
        AND (%(project)s::text = '' OR inventory.project_key = %(project)s)
        AND (%(visibility)s::text = '' OR inventory.visibility = %(visibility)s)
        AND (%(sensitivity)s::text = '' OR inventory.sensitivity = %(sensitivity)s)
        AND (
            %(classification)s::text = ''
            OR coalesce(inventory.classification, 'unclassified') = %(classification)s
        )
)

SELECT
    chosen.*,
    count(*) OVER () AS total
FROM chosen
ORDER BY
    CASE WHEN %(descending)s::boolean THEN chosen.sort_key END DESC NULLS LAST,
    CASE WHEN NOT %(descending)s::boolean THEN chosen.sort_key END ASC NULLS LAST,
    chosen.slug ASC,
    chosen.repository_id ASC
LIMIT %(limit)s::bigint OFFSET %(offset)s;
