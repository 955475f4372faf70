-- Purpose: compliance.policies, which belongs to no workspace, for whoever reads what is granted to a login.

CREATE VIEW granted.policies AS
SELECT published.*
FROM compliance.policies AS published;

GRANT SELECT ON granted.policies TO compliance_auditor, compliance_limited_reader;
