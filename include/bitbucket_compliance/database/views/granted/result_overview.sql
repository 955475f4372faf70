-- Purpose: compliance.result_overview of the workspaces that were granted to the login that asks.

CREATE VIEW granted.result_overview WITH (security_barrier) AS
SELECT published.*
FROM compliance.result_overview AS published
WHERE
    EXISTS (
        SELECT 1
        FROM registry.reading_grants_in_force AS held
        WHERE
            held.login = session_user
            AND published.workspace = held.workspace
    );

GRANT SELECT ON granted.result_overview TO compliance_limited_reader;
