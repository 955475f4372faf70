-- Purpose: what each repository is classified as: the first of the entries in force that match it.
-- Entries for repositories and projects are found by equality, so that only globs are
-- compared one by one; each branch names staging.repositories itself, so that a reader's workspace reaches all of them.

CREATE VIEW registry.repository_classification AS
WITH entries AS MATERIALIZED (
    SELECT
        in_force.entry_id,
        in_force.workspace,
        in_force.target_type,
        in_force.target,
        in_force.classification,
        in_force.sensitivity,
        in_force.owner,
        CASE WHEN in_force.target_type = 'pattern' THEN length(replace(in_force.target, '*', '')) ELSE 0 END AS literals
    FROM registry.classification_in_force AS in_force
),

candidates AS (
    SELECT
        repositories.workspace AS in_workspace,
        repositories.repository_id,
        repositories.slug,
        named.level,
        entries.*
    FROM staging.repositories AS repositories
    CROSS JOIN
        LATERAL (
            VALUES
            ('repository', lower(repositories.slug), 1),
            ('repository', lower(repositories.repository_id), 1),
            ('project', lower(repositories.project_key), 2)
        ) AS named (target_type, target, level)
    INNER JOIN entries ON named.target_type = entries.target_type AND named.target = entries.target
    -- A slug names whom it named when the entry met it, whoever has it now.
    LEFT JOIN registry.classification_bindings AS bindings
        ON
            entries.target_type = 'repository'
            AND entries.entry_id = bindings.entry_id
            AND repositories.workspace = bindings.workspace
    WHERE bindings.entry_id IS null
    UNION ALL
    -- So it may mean another than a later entry by the same slug.
    SELECT
        repositories.workspace AS in_workspace,
        repositories.repository_id,
        repositories.slug,
        1 AS level,
        entries.entry_id,
        entries.workspace,
        entries.target_type,
        entries.target,
        entries.classification,
        entries.sensitivity,
        entries.owner,
        0 AS literals
    FROM staging.repositories AS repositories
    INNER JOIN registry.bound_classification AS bound
        ON repositories.workspace = bound.in_workspace AND repositories.repository_id = bound.repository_id
    INNER JOIN registry.classification AS entries ON bound.entry_id = entries.entry_id
    UNION ALL
    SELECT
        repositories.workspace AS in_workspace,
        repositories.repository_id,
        repositories.slug,
        3 AS level,
        entries.*
    FROM staging.repositories AS repositories
    INNER JOIN entries ON staging.glob_matches(entries.target, lower(repositories.slug))
    WHERE entries.target_type = 'pattern'
)

SELECT DISTINCT ON (in_workspace, repository_id)
    in_workspace AS workspace,
    repository_id,
    classification,
    sensitivity,
    owner,
    target_type,
    target,
    entry_id
FROM candidates
WHERE workspace IS null OR workspace = lower(in_workspace)
ORDER BY
    in_workspace ASC,
    repository_id ASC,
    level ASC,
    literals DESC,
    (level = 1 AND target NOT IN (lower(repository_id), coalesce(lower(slug), ''))) ASC,
    (workspace IS NOT null) DESC,
    -- Its uuid and its slug name one repository: what was declared last stands.
    CASE WHEN level = 1 THEN entry_id END DESC,
    -- Two globs that say as much: the one that lets less pass.
    (coalesce(sensitivity, 'public') <> 'public') DESC,
    (classification = 'production') DESC,
    target ASC;

COMMENT ON VIEW registry.repository_classification IS
'What a repository is classified as. Of the entries in force that match it the first wins, in this order: 1. an entry for the repository itself before one for its project, that before a slug glob; 2. among globs the one with the most characters other than *; 3. its uuid or slug before a slug that it had; 4. an entry for this workspace before one for all; 5. of its uuid and its slug what was declared last; 6. one that declares a sensitivity other than public, then one that declares production; 7. the alphabet. An entry by slug means the repository that has the slug when it is declared, or the first one that is seen with it: another one that takes the slug over is not classified by it, and a later entry by the slug takes nothing from the one that had it.';

GRANT SELECT ON registry.repository_classification TO compliance_pipeline, compliance_console;
