-- Purpose: compliance.daily_trend of the workspaces that were granted to the login that asks.

CREATE VIEW granted.daily_trend WITH (security_barrier) AS
SELECT published.*
FROM compliance.daily_trend AS published
WHERE
    EXISTS (
        SELECT 1
        FROM registry.reading_grants_in_force AS held
        WHERE
            held.login = session_user
            AND published.workspace = held.workspace
    );

GRANT SELECT ON granted.daily_trend TO compliance_limited_reader;
