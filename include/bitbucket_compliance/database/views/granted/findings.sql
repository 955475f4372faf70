-- Purpose: compliance.findings of the workspaces that were granted to the login that asks, within the period that
-- was granted.

CREATE VIEW granted.findings WITH (security_barrier) AS
SELECT published.*
FROM compliance.findings AS published
WHERE
    EXISTS (
        SELECT 1
        FROM registry.reading_grants_in_force AS held
        WHERE
            held.login = session_user
            AND published.workspace = held.workspace
            AND published.found_at < held.ends_at
            AND coalesce(published.ended_at >= held.starts_at, true)
    );

GRANT SELECT ON granted.findings TO compliance_auditor, compliance_limited_reader;
