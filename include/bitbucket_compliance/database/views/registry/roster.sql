-- Purpose: the rows of every roster in force.

CREATE VIEW registry.roster AS
SELECT
    people.line,
    people.email,
    people.name,
    people.status,
    people.end_date,
    people.account_id,
    people.other_emails,
    in_force.import_id,
    in_force.imported_at,
    in_force.roster_name
FROM registry.people AS people
INNER JOIN registry.rosters_in_force AS in_force ON people.import_id = in_force.import_id;

GRANT SELECT ON registry.roster TO compliance_pipeline;
