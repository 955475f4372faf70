-- Purpose: compliance.expiring of the workspaces that were granted to the login that asks, as far as it ends within the
-- period that was granted.

CREATE VIEW granted.expiring WITH (security_barrier) AS
SELECT published.*
FROM compliance.expiring AS published
WHERE
    EXISTS (
        SELECT 1
        FROM registry.reading_grants_in_force AS held
        WHERE
            held.login = session_user
            AND published.workspace = held.workspace
            AND published.ends_at >= held.starts_at
            AND published.ends_at < held.ends_at
    );

GRANT SELECT ON granted.expiring TO compliance_auditor, compliance_limited_reader;
