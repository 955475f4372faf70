-- Purpose: bring the published catalogue of security tests up to date; a row that is as it should be is left alone. A
-- test that the catalogue no longer has stays: history names it.

INSERT INTO compliance.tests
SELECT given.*
FROM jsonb_populate_recordset(null::compliance.tests, %(tests)s::jsonb) AS given
EXCEPT
SELECT known.*
FROM compliance.tests AS known
ON CONFLICT (test_id) DO UPDATE
    SET
        test_title = excluded.test_title,
        severity = excluded.severity,
        subject_type = excluded.subject_type,
        manual = excluded.manual,
        enabled = excluded.enabled,
        display_order = excluded.display_order,
        description = excluded.description,
        bases = excluded.bases,
        cannot_see = excluded.cannot_see;
