-- Purpose: compliance.history_kept of the workspaces that were granted to the login that asks.

CREATE VIEW granted.history_kept WITH (security_barrier) AS
SELECT published.*
FROM compliance.history_kept AS published
WHERE
    EXISTS (
        SELECT 1
        FROM registry.reading_grants_in_force AS held
        WHERE held.login = session_user AND published.workspace = held.workspace
    );

GRANT SELECT ON granted.history_kept TO compliance_auditor, compliance_limited_reader;
