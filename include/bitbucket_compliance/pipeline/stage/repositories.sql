-- Purpose: stage the listed repositories, and forget those that a complete listing no longer names. One whose main
-- branch is another since it was read counts as not read. Some were asked for one by one: that says nothing of others.

WITH listed AS (
    SELECT DISTINCT ON (objects.object_key)
        objects.workspace,
        objects.object_key AS repository_id,
        objects.body ->> 'full_name' AS full_name,
        coalesce(objects.body ->> 'slug', split_part(objects.body ->> 'full_name', '/', 2)) AS slug,
        objects.body ->> 'name' AS name,
        objects.body #>> '{project,key}' AS project_key,
        (objects.body ->> 'is_private')::boolean AS is_private,
        nullif(objects.body ->> 'language', '') AS language,
        objects.body #>> '{mainbranch,name}' AS main_branch,
        (objects.body ->> 'created_on')::timestamptz AS created_on,
        (objects.body ->> 'updated_on')::timestamptz AS updated_on,
        objects.fetched_at AS data_as_of,
        -- What was read below it was about the main branch of then: rules matched it, merges went into it.
        CASE
            WHEN coalesce(reads.main_branch, '') = coalesce(objects.body #>> '{mainbranch,name}', '') THEN reads.read_at
        END AS read_at
    FROM landing.run_objects AS objects
    LEFT JOIN landing.repository_reads AS reads
        ON objects.workspace = reads.workspace AND objects.object_key = reads.repository_id
    WHERE
        objects.workspace = %(workspace)s
        AND objects.resource IN ('repositories', 'repository')
        AND objects.run_id = %(run_id)s
    ORDER BY objects.object_key ASC, objects.fetched_at DESC
),

forgotten AS (
    DELETE FROM staging.repositories AS staged
    WHERE
        staged.workspace = %(workspace)s
        AND EXISTS (
            SELECT 1
            FROM landing.calls AS calls
            WHERE
                calls.workspace = staged.workspace
                AND calls.run_id = %(run_id)s
                AND calls.resource = 'repositories'
                AND calls.complete
        )
        AND NOT EXISTS (SELECT 1 FROM listed WHERE listed.repository_id = staged.repository_id)
)

INSERT INTO staging.repositories (
    workspace,
    repository_id,
    slug,
    name,
    full_name,
    project_key,
    is_private,
    language,
    main_branch,
    created_on,
    updated_on,
    data_as_of,
    read_at
)
SELECT
    listed.workspace,
    listed.repository_id,
    listed.slug,
    listed.name,
    listed.full_name,
    listed.project_key,
    listed.is_private,
    listed.language,
    listed.main_branch,
    listed.created_on,
    listed.updated_on,
    listed.data_as_of,
    listed.read_at
FROM listed
ON CONFLICT (workspace, repository_id) DO UPDATE
    SET
        slug = excluded.slug,
        name = excluded.name,
        full_name = excluded.full_name,
        project_key = excluded.project_key,
        is_private = excluded.is_private,
        language = excluded.language,
        main_branch = excluded.main_branch,
        created_on = excluded.created_on,
        updated_on = excluded.updated_on,
        data_as_of = excluded.data_as_of,
        read_at = excluded.read_at;
