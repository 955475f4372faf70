-- Purpose: bring the framework mapping of the catalogue up to date; a row that is as it should be is left alone.

WITH given AS (
    SELECT * FROM jsonb_populate_recordset(null::compliance.test_controls, %(test_controls)s::jsonb)
),

gone AS (
    DELETE FROM compliance.test_controls AS known
    WHERE NOT EXISTS (
        SELECT 1
        FROM given
        WHERE
            given.test_id = known.test_id
            AND given.framework = known.framework
            AND given.control = known.control
    )
)

INSERT INTO compliance.test_controls
SELECT given.*
FROM given
EXCEPT
SELECT known.*
FROM compliance.test_controls AS known
ON CONFLICT (test_id, framework, control) DO UPDATE
    SET strength = excluded.strength, source = excluded.source, note = excluded.note, title = excluded.title;
