-- Purpose: branch restrictions with whether each applies to the main branch. Matching: design, section 5; a
-- branching_model rule whose model was not read matches "unknown".

WITH fetched AS (
    SELECT
        objects.workspace,
        objects.repository_id,
        (objects.body ->> 'id')::bigint AS restriction_id,
        objects.body ->> 'kind' AS kind,
        coalesce(objects.body ->> 'branch_match_kind', 'glob') AS branch_match_kind,
        coalesce(objects.body ->> 'pattern', '') AS pattern,
        objects.body ->> 'branch_type' AS branch_type,
        CASE
            WHEN jsonb_typeof(objects.body -> 'value') = 'number' THEN (objects.body ->> 'value')::numeric::integer
        END AS value,
        CASE
            WHEN jsonb_typeof(objects.body -> 'users') = 'array' THEN objects.body -> 'users' ELSE '[]'
        END AS users,
        CASE
            WHEN jsonb_typeof(objects.body -> 'groups') = 'array' THEN objects.body -> 'groups' ELSE '[]'
        END AS groups,
        objects.fetched_at AS data_as_of
    FROM landing.run_objects AS objects
    WHERE
        objects.workspace = %(workspace)s
        AND objects.resource = 'branch_restrictions'
        AND objects.run_id = %(run_id)s
)

SELECT
    fetched.*,
    CASE
        WHEN repositories.main_branch IS null THEN false
        WHEN fetched.branch_match_kind = 'glob'
            THEN staging.glob_matches(fetched.pattern, repositories.main_branch)
        WHEN fetched.branch_match_kind <> 'branching_model' OR models.repository_id IS null THEN null
        WHEN fetched.branch_type = 'production'
            THEN
                coalesce(models.production_use_mainbranch, false)
                OR coalesce(models.production_name = repositories.main_branch, false)
        WHEN fetched.branch_type = 'development'
            THEN
                coalesce(models.development_use_mainbranch, false)
                OR coalesce(models.development_name = repositories.main_branch, false)
        ELSE EXISTS (
            SELECT 1
            FROM jsonb_array_elements(models.branch_types) AS types (body)
            WHERE
                types.body ->> 'kind' = fetched.branch_type
                AND coalesce(types.body ->> 'prefix', '') <> ''
                AND starts_with(repositories.main_branch, types.body ->> 'prefix')
        )
    END AS matches_main_branch
FROM fetched
INNER JOIN staging.repositories AS repositories
    ON fetched.workspace = repositories.workspace AND fetched.repository_id = repositories.repository_id
LEFT JOIN staging.branching_models AS models
    ON fetched.workspace = models.workspace AND fetched.repository_id = models.repository_id;
