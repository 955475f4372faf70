-- Purpose: repositories whose slug was another repository's when an entry named it: the entry means that one still.

CREATE VIEW registry.classification_of_another AS
SELECT DISTINCT ON (repositories.workspace, repositories.repository_id)
    repositories.workspace,
    repositories.repository_id,
    entries.target,
    bindings.repository_id AS meant_id
FROM registry.classification_in_force AS entries
INNER JOIN registry.classification_bindings AS bindings ON entries.entry_id = bindings.entry_id
INNER JOIN staging.repositories AS repositories
    ON
        bindings.workspace = repositories.workspace
        AND entries.target = lower(repositories.slug)
        AND bindings.repository_id <> repositories.repository_id
WHERE entries.target_type = 'repository'
ORDER BY repositories.workspace ASC, repositories.repository_id ASC, bindings.bound_at ASC;

GRANT SELECT ON registry.classification_of_another TO compliance_pipeline, compliance_console;
