-- Purpose: bring the published reason codes of the catalogue up to date; a row that is as it should be is left alone.

WITH given AS (
    SELECT * FROM jsonb_populate_recordset(null::compliance.reason_codes, %(reason_codes)s::jsonb)
),

gone AS (
    DELETE FROM compliance.reason_codes AS known
    WHERE NOT EXISTS (
        SELECT 1
        FROM given
        WHERE given.test_id = known.test_id AND given.reason_code = known.reason_code
    )
)

INSERT INTO compliance.reason_codes
SELECT given.*
FROM given
EXCEPT
SELECT known.*
FROM compliance.reason_codes AS known
ON CONFLICT (test_id, reason_code) DO UPDATE
    SET
        status = excluded.status,
        meaning = excluded.meaning,
        remediation = excluded.remediation,
        api_calls = excluded.api_calls;
