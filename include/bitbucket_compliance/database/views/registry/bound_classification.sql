-- Purpose: which repositories entries by slug mean in each workspace, and the newest entry that means each of them: the
-- repository that had the slug when the entry was declared, or the first one that was seen with it. What takes an entry
-- back ends that too: declared again, it means whoever has the slug then.

CREATE VIEW registry.bound_classification AS
SELECT DISTINCT ON (bindings.workspace, entries.target, coalesce(entries.workspace, ''), bindings.repository_id)
    bindings.workspace AS in_workspace,
    entries.target,
    entries.workspace,
    bindings.repository_id,
    bindings.bound_at,
    bindings.entry_id
FROM registry.classification_bindings AS bindings
INNER JOIN registry.classification AS entries ON bindings.entry_id = entries.entry_id
WHERE
    NOT EXISTS (
        SELECT 1 FROM registry.import_withdrawals AS withdrawals
        WHERE withdrawals.import_id = entries.import_id
    )
    AND NOT EXISTS (
        SELECT 1
        FROM registry.classification AS later
        WHERE
            later.target_type = 'repository'
            AND later.target = entries.target
            AND later.workspace IS NOT DISTINCT FROM entries.workspace
            AND later.entry_id > entries.entry_id
            AND later.classification IS null
    )
ORDER BY
    bindings.workspace ASC,
    entries.target ASC,
    coalesce(entries.workspace, '') ASC,
    bindings.repository_id ASC,
    bindings.entry_id DESC;

COMMENT ON VIEW registry.bound_classification IS
'Which repositories entries by slug mean in each workspace, and the newest entry that means each of them: the repository that had the slug when the entry was declared, or the first one that was seen with it.';

GRANT SELECT ON registry.bound_classification TO compliance_pipeline, compliance_console;
