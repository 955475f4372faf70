-- Purpose: rows of the newest roster import.

CREATE VIEW registry.roster AS
SELECT
    people.line,
    people.email,
    people.name,
    people.status,
    people.end_date,
    people.account_id,
    people.other_emails,
    imports.import_id,
    imports.imported_at
FROM registry.people AS people
INNER JOIN registry.imports AS imports ON people.import_id = imports.import_id
WHERE imports.import_id = (SELECT max(newest.import_id) FROM registry.imports AS newest WHERE newest.kind = 'roster');

GRANT SELECT ON registry.roster TO compliance_pipeline;
