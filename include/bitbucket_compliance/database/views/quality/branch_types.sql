-- Purpose: the branch types of each repository's branching model, for the gates.

CREATE VIEW quality.branch_types AS
SELECT
    models.repository_id,
    types.body ->> 'kind' AS kind,
    types.body ->> 'prefix' AS prefix
FROM staging.branching_models AS models
CROSS JOIN
    jsonb_array_elements(
        CASE WHEN jsonb_typeof(models.branch_types) = 'array' THEN models.branch_types ELSE '[]' END
    ) AS types (body)
WHERE models.workspace = current_setting('compliance.workspace');
