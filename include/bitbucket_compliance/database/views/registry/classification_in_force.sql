-- Purpose: the newest entry for each (workspace, target_type, target): repository, project or pattern, unless it takes
-- the one before it back. Entries of an import that was taken back count for nothing.

CREATE VIEW registry.classification_in_force AS
WITH newest AS (
    SELECT DISTINCT ON (coalesce(workspace, ''), target_type, target)
        entry_id,
        workspace,
        target_type,
        target,
        classification,
        sensitivity,
        owner,
        import_id
    FROM registry.classification
    WHERE
        import_id IS null
        OR import_id NOT IN (SELECT withdrawals.import_id FROM registry.import_withdrawals AS withdrawals)
    ORDER BY coalesce(workspace, ''), target_type ASC, target ASC, entry_id DESC
)

SELECT
    entry_id,
    workspace,
    target_type,
    target,
    classification,
    sensitivity,
    owner,
    import_id
FROM newest
WHERE classification IS NOT null;

GRANT SELECT ON registry.classification_in_force TO compliance_pipeline, compliance_console;
