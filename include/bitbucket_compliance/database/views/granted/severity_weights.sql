-- Purpose: compliance.severity_weights, which belongs to no workspace, for whoever reads what is granted to a login.

CREATE VIEW granted.severity_weights AS
SELECT published.*
FROM compliance.severity_weights AS published;

GRANT SELECT ON granted.severity_weights TO compliance_limited_reader;
