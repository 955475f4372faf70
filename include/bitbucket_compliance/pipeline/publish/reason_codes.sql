-- Purpose: every reason code of the catalogue with its remediation.

SELECT * FROM jsonb_populate_recordset(null::compliance.reason_codes, %(reason_codes)s::jsonb);
