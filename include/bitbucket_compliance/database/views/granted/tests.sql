-- Purpose: compliance.tests, which belongs to no workspace, for whoever reads what is granted to a login.

CREATE VIEW granted.tests AS
SELECT published.*
FROM compliance.tests AS published;

GRANT SELECT ON granted.tests TO compliance_auditor, compliance_limited_reader;
