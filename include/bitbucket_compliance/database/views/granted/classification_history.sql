-- Purpose: compliance.classification_history of the workspaces that were granted to the login that asks, within the
-- period that was granted.

CREATE VIEW granted.classification_history WITH (security_barrier) AS
SELECT published.*
FROM compliance.classification_history AS published
WHERE
    EXISTS (
        SELECT 1
        FROM registry.reading_grants_in_force AS held
        WHERE
            held.login = session_user
            AND coalesce(published.workspace = held.workspace, true)
            AND published.happened_at >= held.starts_at
            AND published.happened_at < held.ends_at
    );

GRANT SELECT ON granted.classification_history TO compliance_auditor, compliance_limited_reader;
