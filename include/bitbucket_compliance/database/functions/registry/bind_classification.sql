-- Purpose: note which repository each entry by slug means, where that is not known yet: the one that has the slug now.
-- Where two have it, one was made again under the slug of the other: the one that was listed last, and is younger.

CREATE FUNCTION registry.bind_classification() RETURNS void
LANGUAGE sql
AS $bind$
    WITH holders AS (
        SELECT DISTINCT ON (repositories.workspace, lower(repositories.slug))
            repositories.workspace,
            repositories.repository_id,
            lower(repositories.slug) AS slug
        FROM staging.repositories AS repositories
        WHERE repositories.slug IS NOT null
        ORDER BY
            repositories.workspace ASC,
            lower(repositories.slug) ASC,
            repositories.data_as_of DESC,
            repositories.created_on DESC NULLS LAST
    )

    INSERT INTO registry.classification_bindings (entry_id, workspace, repository_id)
    SELECT
        entries.entry_id,
        holders.workspace,
        holders.repository_id
    FROM registry.classification_in_force AS entries
    INNER JOIN holders
        ON
            entries.target = holders.slug
            AND (entries.workspace IS null OR entries.workspace = lower(holders.workspace))
    LEFT JOIN registry.bound_classification AS bound
        ON
            holders.workspace = bound.in_workspace
            AND entries.target = bound.target
            AND entries.workspace IS NOT DISTINCT FROM bound.workspace
    WHERE entries.target_type = 'repository' AND bound.repository_id IS null
    ON CONFLICT (entry_id, workspace) DO NOTHING
$bind$;

GRANT EXECUTE ON FUNCTION registry.bind_classification() TO compliance_pipeline, compliance_console;
