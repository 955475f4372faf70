-- Purpose: effective branching models, where a rule refers to one.

SELECT
    objects.workspace,
    objects.repository_id,
    objects.body #>> '{development,name}' AS development_name,
    (objects.body #>> '{development,use_mainbranch}')::boolean AS development_use_mainbranch,
    objects.body #>> '{production,name}' AS production_name,
    (objects.body #>> '{production,use_mainbranch}')::boolean AS production_use_mainbranch,
    CASE
        WHEN jsonb_typeof(objects.body -> 'branch_types') = 'array' THEN objects.body -> 'branch_types'
        ELSE '[]'
    END AS branch_types,
    objects.fetched_at AS data_as_of
FROM landing.run_objects AS objects
WHERE
    objects.workspace = %(workspace)s
    AND objects.resource = 'effective_branching_model'
    AND objects.run_id = %(run_id)s;
