-- Purpose: compliance.leavers of the workspaces that were granted to the login that asks, within the period that was
-- granted.

CREATE VIEW granted.leavers WITH (security_barrier) AS
SELECT published.*
FROM compliance.leavers AS published
WHERE
    EXISTS (
        SELECT 1
        FROM registry.reading_grants_in_force AS held
        WHERE
            held.login = session_user
            AND published.workspace = held.workspace
            AND coalesce(published.last_working_day, published.declared_at::date) <= coalesce(held.last_day, 'infinity')
            AND coalesce(published.found_removed_on, 'infinity') >= coalesce(held.first_day, '-infinity')
    );

GRANT SELECT ON granted.leavers TO compliance_auditor;
