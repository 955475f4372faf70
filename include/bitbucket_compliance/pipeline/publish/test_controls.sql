-- Purpose: the framework mapping of the catalogue.

SELECT * FROM jsonb_populate_recordset(null::compliance.test_controls, %(test_controls)s::jsonb);
