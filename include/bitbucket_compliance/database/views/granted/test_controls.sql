-- Purpose: compliance.test_controls, which belongs to no workspace, for whoever reads what is granted to a login.

CREATE VIEW granted.test_controls AS
SELECT published.*
FROM compliance.test_controls AS published;

GRANT SELECT ON granted.test_controls TO compliance_auditor, compliance_limited_reader;
