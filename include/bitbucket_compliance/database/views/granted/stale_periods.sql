-- Purpose: compliance.stale_periods of the workspaces that were granted to the login that asks, within the period
-- that was granted.

CREATE VIEW granted.stale_periods WITH (security_barrier) AS
SELECT published.*
FROM compliance.stale_periods AS published
WHERE
    EXISTS (
        SELECT 1
        FROM registry.reading_grants_in_force AS held
        WHERE
            held.login = session_user
            AND published.workspace = held.workspace
            AND published.stale_from < held.ends_at
            AND coalesce(published.stale_to > held.starts_at, true)
    );

GRANT SELECT ON granted.stale_periods TO compliance_limited_reader;
