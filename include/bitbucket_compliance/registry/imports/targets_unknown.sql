-- Purpose: declared targets of a classification that match no repository that was read, as far as any was.

SELECT
    declared.target_type,
    declared.target
FROM
    unnest(%(workspaces)s::text[], %(target_types)s::text[], %(targets)s::text[])
        AS declared (workspace, target_type, target)
WHERE
    EXISTS (SELECT 1 FROM staging.repositories)
    AND NOT EXISTS (
        SELECT 1 FROM staging.repositories AS repositories
        WHERE
            (declared.workspace IS null OR declared.workspace = lower(repositories.workspace))
            AND CASE declared.target_type
                WHEN 'project' THEN lower(repositories.project_key) = declared.target
                WHEN 'pattern' THEN staging.glob_matches(declared.target, lower(repositories.slug))
                ELSE declared.target IN (lower(repositories.slug), lower(repositories.repository_id))
            END
    )
ORDER BY declared.target_type ASC, declared.target ASC
LIMIT 50;
