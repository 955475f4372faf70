-- Purpose: compliance.members_to_review of the workspaces that were granted to the login that asks.

CREATE VIEW granted.members_to_review WITH (security_barrier) AS
SELECT published.*
FROM compliance.members_to_review AS published
WHERE
    EXISTS (
        SELECT 1
        FROM registry.reading_grants_in_force AS held
        WHERE
            held.login = session_user
            AND published.workspace = held.workspace
    );

GRANT SELECT ON granted.members_to_review TO compliance_limited_reader;
