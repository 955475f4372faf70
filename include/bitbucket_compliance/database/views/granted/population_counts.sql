-- Purpose: compliance.population_counts of the workspaces that were granted to the login that asks, within the
-- period that was granted.

CREATE VIEW granted.population_counts WITH (security_barrier) AS
SELECT published.*
FROM compliance.population_counts AS published
WHERE
    EXISTS (
        SELECT 1
        FROM registry.reading_grants_in_force AS held
        WHERE
            held.login = session_user
            AND published.workspace = held.workspace
            AND published.counted_at >= held.starts_at
            AND published.counted_at < held.ends_at
    );

GRANT SELECT ON granted.population_counts TO compliance_auditor, compliance_limited_reader;
