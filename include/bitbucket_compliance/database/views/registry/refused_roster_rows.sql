-- Purpose: the rows of the rosters in force that could not be used, with what tells whose they are.

CREATE VIEW registry.refused_roster_rows AS
SELECT
    refused.line,
    refused.email,
    refused.name,
    refused.account_id,
    refused.other_emails,
    in_force.import_id,
    in_force.imported_at,
    in_force.roster_name
FROM registry.refused_rows AS refused
INNER JOIN registry.rosters_in_force AS in_force ON refused.import_id = in_force.import_id;

GRANT SELECT ON registry.refused_roster_rows TO compliance_pipeline, compliance_console;
