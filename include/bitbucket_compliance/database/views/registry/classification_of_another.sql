-- Purpose: repositories whose slug was another repository's when an entry named it: the entry means that one still.

CREATE VIEW registry.classification_of_another AS
SELECT DISTINCT ON (repositories.workspace, repositories.repository_id)
    repositories.workspace,
    repositories.repository_id,
    bound.target,
    bound.repository_id AS meant_id
FROM registry.bound_classification AS bound
INNER JOIN registry.classification_in_force AS entries
    ON
        entries.target_type = 'repository'
        AND bound.target = entries.target
        AND bound.workspace IS NOT DISTINCT FROM entries.workspace
INNER JOIN staging.repositories AS repositories
    ON
        bound.in_workspace = repositories.workspace
        AND bound.target = lower(repositories.slug)
        AND bound.repository_id <> repositories.repository_id
ORDER BY repositories.workspace ASC, repositories.repository_id ASC, bound.bound_at ASC;

GRANT SELECT ON registry.classification_of_another TO compliance_pipeline, compliance_console;
