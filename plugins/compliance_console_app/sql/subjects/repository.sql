-- Purpose: one repository by its id or slug, with what is declared of it at this moment, by which entry, and by whom.

WITH wanted AS (
    SELECT repositories.*
    FROM compliance.repositories AS repositories
    WHERE
        repositories.workspace = %(workspace)s
        AND (repositories.repository_id = %(key)s OR repositories.slug = lower(%(key)s))
    ORDER BY (repositories.repository_id = %(key)s) DESC
    LIMIT 1
)

SELECT
    wanted.*,
    standing.classification AS declared_classification,
    standing.sensitivity AS declared_sensitivity,
    standing.owner AS declared_owner,
    standing.target_type,
    standing.target,
    entries.declared_by,
    entries.declared_at,
    imports.file_name
FROM wanted
LEFT JOIN registry.repository_classification AS standing
    ON wanted.workspace = standing.workspace AND wanted.repository_id = standing.repository_id
LEFT JOIN registry.classification AS entries ON standing.entry_id = entries.entry_id
LEFT JOIN registry.imports AS imports ON entries.import_id = imports.import_id;
