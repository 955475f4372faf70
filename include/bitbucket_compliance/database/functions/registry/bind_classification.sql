-- Purpose: note which repository each entry by slug means, where that is not known yet: the one that has the slug now;
-- and declare anew, under its slug, what was declared for a workspace by its uuid before it was read.
-- Where nobody has it, or the entry before it declared the same, it means the one that that meant. Where two have the
-- slug, one was made again under the slug of the other: the one that was listed last, and is younger.

CREATE FUNCTION registry.bind_classification() RETURNS void
LANGUAGE sql
AS $bind$
    INSERT INTO registry.classification (
        workspace, target_type, target, classification, sensitivity, owner, import_id, declared_by
    )
    SELECT
        lower(workspaces.workspace) AS workspace,
        entries.target_type,
        entries.target,
        entries.classification,
        entries.sensitivity,
        entries.owner,
        entries.import_id,
        declared.declared_by
    FROM registry.classification_in_force AS entries
    INNER JOIN registry.classification AS declared ON entries.entry_id = declared.entry_id
    INNER JOIN staging.workspaces AS workspaces ON entries.workspace = lower(workspaces.workspace_id)
    WHERE
        NOT EXISTS (
            SELECT 1 FROM registry.classification AS later
            WHERE
                later.workspace = lower(workspaces.workspace)
                AND later.target_type = entries.target_type
                AND later.target = entries.target
                AND later.entry_id > entries.entry_id
        )
    ORDER BY entries.entry_id ASC;

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
    ),

    meant_before AS (
        SELECT DISTINCT ON (bound.in_workspace, bound.target, coalesce(bound.workspace, ''))
            bound.in_workspace,
            bound.target,
            bound.workspace,
            bound.repository_id,
            entries.classification,
            entries.sensitivity
        FROM registry.bound_classification AS bound
        INNER JOIN registry.classification AS entries ON bound.entry_id = entries.entry_id
        ORDER BY
            bound.in_workspace ASC, bound.target ASC, coalesce(bound.workspace, '') ASC, bound.entry_id DESC
    ),

    meant AS (
        SELECT
            entries.entry_id,
            workspaces.workspace,
            CASE
                WHEN holders.repository_id IS null THEN before.repository_id
                -- the same again, of another owner perhaps: nobody thought of another repository
                WHEN
                    before.classification = entries.classification
                    AND before.sensitivity IS NOT DISTINCT FROM entries.sensitivity
                    THEN before.repository_id
                ELSE holders.repository_id
            END AS repository_id
        FROM registry.classification_in_force AS entries
        CROSS JOIN (SELECT DISTINCT repositories.workspace FROM staging.repositories AS repositories) AS workspaces
        LEFT JOIN holders ON workspaces.workspace = holders.workspace AND entries.target = holders.slug
        LEFT JOIN meant_before AS before
            ON
                workspaces.workspace = before.in_workspace
                AND entries.target = before.target
                AND entries.workspace IS NOT DISTINCT FROM before.workspace
        WHERE
            entries.target_type = 'repository'
            AND (entries.workspace IS null OR entries.workspace = lower(workspaces.workspace))
            AND coalesce(holders.repository_id, before.repository_id) IS NOT null
    )

    INSERT INTO registry.classification_bindings (entry_id, workspace, repository_id)
    SELECT
        meant.entry_id,
        meant.workspace,
        meant.repository_id
    FROM meant
    LEFT JOIN registry.classification_bindings AS bindings
        ON meant.entry_id = bindings.entry_id AND meant.workspace = bindings.workspace
    WHERE bindings.entry_id IS null
    ON CONFLICT (entry_id, workspace) DO NOTHING
$bind$;

GRANT EXECUTE ON FUNCTION registry.bind_classification() TO compliance_pipeline, compliance_console;
