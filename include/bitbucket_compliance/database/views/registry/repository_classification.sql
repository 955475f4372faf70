-- Purpose: what each repository is classified as: the first of the entries in force that match it.
-- Entries for repositories and projects are found by equality, so that only globs are
-- compared one by one; each branch names staging.repositories itself, so that a reader's workspace reaches all of them.

CREATE VIEW registry.repository_classification AS
WITH entries AS MATERIALIZED (
    SELECT
        in_force.*,
        CASE WHEN in_force.target_type = 'pattern' THEN length(replace(in_force.target, '*', '')) ELSE 0 END AS literals
    FROM registry.classification_in_force AS in_force
),

candidates AS (
    SELECT
        repositories.workspace AS in_workspace,
        repositories.repository_id,
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
    UNION ALL
    SELECT
        repositories.workspace AS in_workspace,
        repositories.repository_id,
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
    (workspace IS NOT null) DESC,
    (target LIKE '{%') DESC,
    target ASC;

COMMENT ON VIEW registry.repository_classification IS
'What a repository is classified as. Of the entries in force that match it the first wins, in this order: 1. an entry for the repository itself before one for its project, that before a slug glob; 2. among globs the one with the most characters other than *; 3. an entry for this workspace before one for all; 4. a uuid before a slug; 5. the alphabet.';

GRANT SELECT ON registry.repository_classification TO compliance_pipeline, compliance_console;
