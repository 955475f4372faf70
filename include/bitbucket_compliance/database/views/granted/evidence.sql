-- Purpose: compliance.evidence of the workspaces that were granted to the login that asks, within the period that
-- was granted.

CREATE VIEW granted.evidence WITH (security_barrier) AS
SELECT published.*
FROM compliance.evidence AS published
WHERE
    EXISTS (
        SELECT 1
        FROM registry.reading_grants_in_force AS held
        WHERE
            held.login = session_user
            AND coalesce(published.workspace = held.workspace, true)
            AND published.submitted_at < held.ends_at
            AND published.valid_until >= held.starts_at
    );

GRANT SELECT ON granted.evidence TO compliance_auditor, compliance_limited_reader;
