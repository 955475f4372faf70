-- Purpose: every import, with whether it counts, and who took it back. A roster counts until a newer one of its name
-- does; a classification while an entry of it is in force; an export while its evidence is accepted.

CREATE VIEW registry.import_states AS
SELECT
    imports.import_id,
    imports.kind,
    imports.source,
    imports.file_name,
    imports.file_sha256,
    imports.row_count,
    imports.refused_rows,
    imports.imported_by,
    imports.imported_at,
    CASE WHEN imports.kind = 'roster' THEN imports.roster_name END AS roster_name,
    imports.mapping,
    imports.mapping_version,
    withdrawals.taken_back_by,
    withdrawals.taken_back_at,
    withdrawals.reason AS taken_back_because,
    withdrawals.import_id IS null
    AND (
        imports.import_id IN (SELECT rosters.import_id FROM registry.rosters_in_force AS rosters)
        OR imports.import_id IN (
            SELECT entries.import_id
            FROM registry.classification_in_force AS entries
            WHERE entries.import_id IS NOT null
        )
        OR imports.import_id IN (
            SELECT evidence.import_id
            FROM registry.evidence_states AS evidence
            WHERE evidence.status = 'accepted' AND evidence.import_id IS NOT null
        )
    ) AS is_in_force
FROM registry.imports AS imports
LEFT JOIN registry.import_withdrawals AS withdrawals ON imports.import_id = withdrawals.import_id;

GRANT SELECT ON registry.import_states TO compliance_pipeline, compliance_console;
