-- Purpose: of each roster, by its name, the import that counts: the newest one that was not taken back.

CREATE VIEW registry.rosters_in_force AS
SELECT DISTINCT ON (imports.roster_name)
    imports.roster_name,
    imports.import_id,
    imports.imported_at
FROM registry.imports AS imports
WHERE
    imports.kind = 'roster'
    AND NOT EXISTS (
        SELECT 1 FROM registry.import_withdrawals AS withdrawals
        WHERE withdrawals.import_id = imports.import_id
    )
ORDER BY imports.roster_name ASC, imports.import_id DESC;

GRANT SELECT ON registry.rosters_in_force TO compliance_pipeline, compliance_console;
