-- Purpose: compliance.decided_by of the workspaces that were granted to the login that asks.

CREATE VIEW granted.decided_by WITH (security_barrier) AS
SELECT published.*
FROM compliance.decided_by AS published
WHERE
    EXISTS (
        SELECT 1
        FROM registry.reading_grants_in_force AS held
        WHERE
            held.login = session_user
            AND published.workspace = held.workspace
    );

GRANT SELECT ON granted.decided_by TO compliance_limited_reader;
