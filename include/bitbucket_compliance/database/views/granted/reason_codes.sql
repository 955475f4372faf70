-- Purpose: compliance.reason_codes, which belongs to no workspace, for whoever reads what is granted to a login.

CREATE VIEW granted.reason_codes AS
SELECT published.*
FROM compliance.reason_codes AS published;

GRANT SELECT ON granted.reason_codes TO compliance_auditor, compliance_limited_reader;
