-- Purpose: every classification that was ever declared: who set what when, and until when it stood. classification
-- null: taken back. An entry that stands again, because the import after it was taken back, has a row for each time.

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
),

taken_back AS (
    SELECT
        entries.entry_id,
        greatest(withdrawals.taken_back_at, entries.valid_from) AS taken_back_at
    FROM entries
    INNER JOIN registry.import_withdrawals AS withdrawals ON entries.import_id = withdrawals.import_id
),

changes AS (
    SELECT
        entries.workspace,
        entries.target_type,
        entries.target,
        entries.valid_from,
        entries.entry_id AS changed_by,
        entries.entry_id
    FROM entries
    UNION ALL
    SELECT
        entries.workspace,
        entries.target_type,
        entries.target,
        taken_back.taken_back_at AS valid_from,
        entries.entry_id AS changed_by,
        -- what stands again, if anything does
        (
            SELECT max(earlier.entry_id)
            FROM entries AS earlier
            LEFT JOIN taken_back AS gone ON earlier.entry_id = gone.entry_id
            WHERE
                earlier.target_type = entries.target_type
                AND earlier.target = entries.target
                AND earlier.workspace IS NOT DISTINCT FROM entries.workspace
                AND earlier.entry_id < entries.entry_id
                AND (gone.taken_back_at IS null OR gone.taken_back_at > taken_back.taken_back_at)
        ) AS entry_id
    FROM taken_back
    INNER JOIN entries ON taken_back.entry_id = entries.entry_id
    WHERE
        NOT EXISTS (
            SELECT 1 FROM entries AS later
            WHERE
                later.target_type = entries.target_type
                AND later.target = entries.target
                AND later.workspace IS NOT DISTINCT FROM entries.workspace
                AND later.entry_id > entries.entry_id
                AND later.valid_from <= taken_back.taken_back_at
        )
),

periods AS (
    SELECT
        changes.entry_id,
        changes.valid_from,
        lead(changes.valid_from) OVER (
            PARTITION BY changes.workspace, changes.target_type, changes.target
            ORDER BY changes.valid_from, changes.changed_by
        ) AS valid_to
    FROM changes
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
    periods.valid_from,
    periods.valid_to,
    imports.file_name,
    imports.file_sha256
FROM periods
INNER JOIN entries ON periods.entry_id = entries.entry_id
LEFT JOIN registry.imports AS imports ON entries.import_id = imports.import_id;

GRANT SELECT ON registry.classification_history TO compliance_pipeline, compliance_console;
