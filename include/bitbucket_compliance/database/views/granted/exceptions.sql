-- Purpose: compliance.exceptions of the workspaces that were granted to the login that asks, within the period that
-- was granted.

CREATE VIEW granted.exceptions WITH (security_barrier) AS
SELECT published.*
FROM compliance.exceptions AS published
WHERE
    EXISTS (
        SELECT 1
        FROM registry.reading_grants_in_force AS held
        WHERE
            held.login = session_user
            AND published.workspace = held.workspace
            AND published.requested_at < held.ends_at
            AND published.expires_at >= held.starts_at
    );

GRANT SELECT ON granted.exceptions TO compliance_auditor, compliance_limited_reader;
