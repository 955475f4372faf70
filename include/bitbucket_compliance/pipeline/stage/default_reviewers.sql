-- Purpose: which persons are default reviewers of each repository that was asked for them.

SELECT
    objects.workspace,
    objects.repository_id,
    array(
        SELECT reviewers.body #>> '{user,uuid}'
        FROM jsonb_array_elements(objects.body -> 'values') AS reviewers (body)
        WHERE
            reviewers.body #>> '{user,uuid}' IS NOT null
            AND reviewers.body #>> '{user,type}' IS DISTINCT FROM 'app_user'
    ) AS reviewers,
    objects.fetched_at AS data_as_of
FROM landing.run_objects AS objects
WHERE
    objects.workspace = %(workspace)s
    AND objects.resource = 'default_reviewers'
    AND objects.run_id = %(run_id)s;
