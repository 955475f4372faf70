-- Purpose: stage effective branching models where a rule refers to one; forgotten where the rules were read again and
-- no longer do.

WITH fetched AS (
    SELECT
        objects.workspace,
        objects.repository_id,
        objects.body,
        objects.fetched_at
    FROM landing.run_objects AS objects
    WHERE
        objects.workspace = %(workspace)s
        AND objects.resource = 'effective_branching_model'
        AND objects.run_id = %(run_id)s
)

INSERT INTO staging.branching_models (
    workspace,
    repository_id,
    development_name,
    development_use_mainbranch,
    production_name,
    production_use_mainbranch,
    branch_types,
    data_as_of
)
SELECT
    fetched.workspace,
    fetched.repository_id,
    fetched.body #>> '{development,name}',
    (fetched.body #>> '{development,use_mainbranch}')::boolean,
    fetched.body #>> '{production,name}',
    (fetched.body #>> '{production,use_mainbranch}')::boolean,
    CASE
        WHEN jsonb_typeof(fetched.body -> 'branch_types') = 'array' THEN fetched.body -> 'branch_types'
        ELSE '[]'
    END,
    fetched.fetched_at
FROM fetched
ON CONFLICT (workspace, repository_id) DO UPDATE
    SET
        development_name = excluded.development_name,
        development_use_mainbranch = excluded.development_use_mainbranch,
        production_name = excluded.production_name,
        production_use_mainbranch = excluded.production_use_mainbranch,
        branch_types = excluded.branch_types,
        data_as_of = excluded.data_as_of;
