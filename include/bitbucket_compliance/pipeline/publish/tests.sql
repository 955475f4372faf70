-- Purpose: the catalogue under the policy of this run.

SELECT * FROM jsonb_populate_recordset(null::compliance.tests, %(tests)s::jsonb);
