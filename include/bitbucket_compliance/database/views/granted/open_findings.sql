-- Purpose: compliance.open_findings of the workspaces that were granted to the login that asks.

CREATE VIEW granted.open_findings WITH (security_barrier) AS
SELECT published.*
FROM compliance.open_findings AS published
WHERE
    EXISTS (
        SELECT 1
        FROM registry.reading_grants_in_force AS held
        WHERE
            held.login = session_user
            AND published.workspace = held.workspace
    );

GRANT SELECT ON granted.open_findings TO compliance_limited_reader;
