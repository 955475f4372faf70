-- Purpose: the entry that decides on each of some repositories, in the order of their slugs.

SELECT
    repositories.repository_id,
    repositories.slug,
    standing.classification,
    standing.sensitivity,
    standing.owner,
    standing.target_type,
    standing.target,
    entries.workspace AS declared_for
FROM compliance.repositories AS repositories
LEFT JOIN registry.repository_classification AS standing
    ON
        repositories.workspace = standing.workspace
        AND repositories.repository_id = standing.repository_id
        AND standing.workspace = %(workspace)s
LEFT JOIN registry.classification AS entries ON standing.entry_id = entries.entry_id
WHERE repositories.workspace = %(workspace)s AND repositories.repository_id = any(%(repository_ids)s::text[])
ORDER BY repositories.slug ASC, repositories.repository_id ASC;
