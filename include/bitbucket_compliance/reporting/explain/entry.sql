-- Purpose: the classification entry that was in force for a target when a verdict was reached, with who set it.

SELECT
    entries.target_type,
    entries.target,
    entries.classification,
    entries.sensitivity,
    entries.declared_by,
    entries.declared_at,
    imports.file_name
FROM registry.classification AS entries
LEFT JOIN registry.imports AS imports ON entries.import_id = imports.import_id
WHERE
    entries.target_type || ' ' || entries.target = %(entry)s
    AND (entries.workspace IS null OR entries.workspace = lower(%(workspace)s))
    AND entries.declared_at <= %(moment)s::timestamptz
    AND NOT EXISTS (
        SELECT 1 FROM registry.import_withdrawals AS withdrawals
        WHERE
            withdrawals.import_id = entries.import_id
            AND withdrawals.taken_back_at <= %(moment)s::timestamptz
    )
ORDER BY (entries.workspace IS NOT null) DESC, entries.entry_id DESC
LIMIT 1;
