-- Purpose: compliance.repository_history of the workspaces that were granted to the login that asks, within the
-- period that was granted.

CREATE VIEW granted.repository_history WITH (security_barrier) AS
SELECT published.*
FROM compliance.repository_history AS published
WHERE
    EXISTS (
        SELECT 1
        FROM registry.reading_grants_in_force AS held
        WHERE
            held.login = session_user
            AND published.workspace = held.workspace
            AND published.valid_from < held.ends_at
            AND coalesce(published.valid_to > held.starts_at, true)
    );

GRANT SELECT ON granted.repository_history TO compliance_limited_reader;
