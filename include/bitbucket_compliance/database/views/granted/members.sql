-- Purpose: compliance.members of the workspaces that were granted to the login that asks.

CREATE VIEW granted.members WITH (security_barrier) AS
SELECT published.*
FROM compliance.members AS published
WHERE
    EXISTS (
        SELECT 1
        FROM registry.reading_grants_in_force AS held
        WHERE
            held.login = session_user
            AND published.workspace = held.workspace
    );

GRANT SELECT ON granted.members TO compliance_limited_reader;
