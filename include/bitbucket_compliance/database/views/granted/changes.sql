-- Purpose: compliance.changes of the workspaces that were granted to the login that asks, within the period that was
-- granted.

CREATE VIEW granted.changes WITH (security_barrier) AS
SELECT published.*
FROM compliance.changes AS published
WHERE
    EXISTS (
        SELECT 1
        FROM registry.reading_grants_in_force AS held
        WHERE
            held.login = session_user
            AND published.workspace = held.workspace
            AND published.merged_on >= held.starts_at
            AND published.merged_on < held.ends_at
    );

GRANT SELECT ON granted.changes TO compliance_auditor, compliance_limited_reader;
