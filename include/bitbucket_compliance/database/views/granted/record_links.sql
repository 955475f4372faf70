-- Purpose: compliance.record_links of the workspaces that were granted to the login that asks, within the period
-- that was granted.

CREATE VIEW granted.record_links WITH (security_barrier) AS
SELECT published.*
FROM compliance.record_links AS published
WHERE
    EXISTS (
        SELECT 1
        FROM registry.reading_grants_in_force AS held
        WHERE
            held.login = session_user
            AND published.workspace IN (held.workspace, '')
            AND published.sealed_at >= held.starts_at
            AND published.sealed_at < held.ends_at
    );

GRANT SELECT ON granted.record_links TO compliance_auditor, compliance_limited_reader;
