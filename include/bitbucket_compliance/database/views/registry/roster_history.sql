-- Purpose: every roster that was ever in force: from where, by whom, from when until when. Its people are in
-- registry.people.

CREATE VIEW registry.roster_history AS
WITH rosters AS (
    SELECT
        imports.*,
        -- The roster is the newest import; a clock that was set back must not open two at a time.
        max(imports.imported_at) OVER (ORDER BY imports.import_id) AS valid_from
    FROM registry.imports AS imports
    WHERE imports.kind = 'roster'
)

SELECT
    import_id,
    source,
    file_name,
    file_sha256,
    row_count AS rows,
    imported_by,
    imported_at,
    valid_from,
    lead(valid_from) OVER (ORDER BY import_id) AS valid_to,
    lead(import_id) OVER (ORDER BY import_id) IS null AS is_current
FROM rosters;

GRANT SELECT ON registry.roster_history TO compliance_pipeline, compliance_console;
