-- Purpose: the listed repositories, and those that were asked for one by one. One whose main branch is another since it
-- was read counts as not read: rules matched the main branch of then, merges went into it. One whose main branch has no
-- name has none.

WITH listed AS (
    SELECT
        objects.*,
        CASE
            WHEN btrim(objects.body #>> '{mainbranch,name}') <> '' THEN objects.body #>> '{mainbranch,name}'
        END AS main_branch
    FROM landing.run_objects AS objects
    WHERE
        objects.workspace = %(workspace)s
        AND objects.resource IN ('repositories', 'repository')
        AND objects.run_id = %(run_id)s
)

SELECT DISTINCT ON (objects.object_key)
    objects.workspace,
    objects.object_key AS repository_id,
    coalesce(
        nullif(objects.body ->> 'slug', ''),
        nullif(split_part(objects.body ->> 'full_name', '/', 2), ''),
        objects.object_key
    ) AS slug,
    objects.body ->> 'name' AS name,
    objects.body ->> 'full_name' AS full_name,
    objects.body #>> '{project,key}' AS project_key,
    (objects.body ->> 'is_private')::boolean AS is_private,
    nullif(objects.body ->> 'language', '') AS language,
    objects.main_branch,
    (objects.body ->> 'created_on')::timestamptz AS created_on,
    (objects.body ->> 'updated_on')::timestamptz AS updated_on,
    objects.fetched_at AS data_as_of,
    (objects.body ->> 'size')::bigint AS size,
    CASE
        WHEN coalesce(reads.main_branch, '') = coalesce(objects.main_branch, '') THEN reads.read_at
    END AS read_at
FROM listed AS objects
LEFT JOIN landing.repository_reads AS reads
    ON objects.workspace = reads.workspace AND objects.object_key = reads.repository_id
ORDER BY objects.object_key ASC, objects.fetched_at DESC;
