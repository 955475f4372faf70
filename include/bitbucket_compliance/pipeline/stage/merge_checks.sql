-- Purpose: the merge checks of an open pull request that this run saw, with a fingerprint of the own rules beside them.
-- A kind that requires nothing, or none of it, is as good as not there.

WITH fetched AS (
    SELECT
        objects.workspace,
        objects.repository_id,
        (objects.body ->> 'pull_request_id')::bigint AS pull_request_id,
        checks.body #>> '{check,kind}' AS kind,
        CASE
            WHEN jsonb_typeof(checks.body #> ARRAY['requirement', checks.body #>> '{check,kind}']) = 'number'
                THEN (checks.body #>> ARRAY['requirement', checks.body #>> '{check,kind}'])::numeric
        END AS requirement,
        CASE WHEN jsonb_typeof(checks.body -> 'required') = 'boolean' THEN (checks.body -> 'required')::boolean END
            AS enforced,
        objects.fetched_at AS data_as_of
    FROM landing.run_objects AS objects
    LEFT JOIN LATERAL jsonb_array_elements(objects.body -> 'values') AS checks (body)
        ON checks.body ->> 'type' = 'standard_merge_check'
    WHERE
        objects.workspace = %(workspace)s
        AND objects.resource = 'merge_checks'
        AND objects.run_id = %(run_id)s
)

SELECT
    fetched.workspace,
    fetched.repository_id,
    fetched.pull_request_id,
    repositories.main_branch,
    coalesce(
        jsonb_agg(
            jsonb_build_object(
                'kind', fetched.kind,
                'requirement', fetched.requirement,
                'enforced', coalesce(fetched.enforced, false)
            )
            ORDER BY fetched.kind, fetched.requirement, fetched.enforced
        ) FILTER (WHERE fetched.requirement > 0),
        '[]'
    ) AS checks,
    bool_or(fetched.enforced) AS enforced,
    own.fingerprint AS own_rules,
    fetched.data_as_of
FROM fetched
INNER JOIN staging.repositories AS repositories
    ON fetched.workspace = repositories.workspace AND fetched.repository_id = repositories.repository_id
LEFT JOIN staging.own_merge_rules AS own
    ON fetched.workspace = own.workspace AND fetched.repository_id = own.repository_id
WHERE repositories.main_branch IS NOT null
GROUP BY
    fetched.workspace,
    fetched.repository_id,
    fetched.pull_request_id,
    repositories.main_branch,
    own.fingerprint,
    fetched.data_as_of;
