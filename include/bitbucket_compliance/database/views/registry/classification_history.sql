-- Purpose: every classification that was ever declared: who set what when, and until when it stood. classification
-- null: taken back.

CREATE VIEW registry.classification_history AS
WITH entries AS (
    SELECT
        classification.*,
        max(classification.declared_at) OVER target_so_far AS valid_from
    FROM registry.classification AS classification
    WINDOW target_so_far AS (
        PARTITION BY classification.workspace, classification.target_type, classification.target
        ORDER BY classification.entry_id
    )
)

SELECT
    entries.entry_id,
    entries.workspace,
    entries.target_type,
    entries.target,
    entries.classification,
    entries.sensitivity,
    entries.owner,
    entries.declared_by AS set_by,
    entries.declared_at AS set_at,
    entries.valid_from,
    lead(entries.valid_from) OVER (
        PARTITION BY entries.workspace, entries.target_type, entries.target
        ORDER BY entries.entry_id
    ) AS valid_to,
    imports.file_name,
    imports.file_sha256
FROM entries
LEFT JOIN registry.imports AS imports ON entries.import_id = imports.import_id;

GRANT SELECT ON registry.classification_history TO compliance_pipeline, compliance_console;
