-- Purpose: compliance.runs of the workspaces that were granted to the login that asks, within the period that was
-- granted.

CREATE VIEW granted.runs WITH (security_barrier) AS
SELECT published.*
FROM compliance.runs AS published
WHERE
    EXISTS (
        SELECT 1
        FROM registry.reading_grants_in_force AS held
        WHERE
            held.login = session_user
            AND published.workspace = held.workspace
            AND published.started_at >= held.starts_at
            AND published.started_at < held.ends_at
    );

GRANT SELECT ON granted.runs TO compliance_auditor, compliance_limited_reader;
