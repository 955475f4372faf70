-- Purpose: compliance.current_results of the workspaces that were granted to the login that asks.

CREATE VIEW granted.current_results WITH (security_barrier) AS
SELECT published.*
FROM compliance.current_results AS published
WHERE
    EXISTS (
        SELECT 1
        FROM registry.reading_grants_in_force AS held
        WHERE
            held.login = session_user
            AND published.workspace = held.workspace
    );

GRANT SELECT ON granted.current_results TO compliance_limited_reader;
