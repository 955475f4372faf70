-- Purpose: which workspaces, and which days of them, the login that asks may read.

CREATE VIEW granted.workspaces AS
SELECT
    held.workspace,
    held.first_day,
    held.last_day
FROM registry.reading_grants_in_force AS held
WHERE held.login = session_user;

GRANT SELECT ON granted.workspaces TO compliance_auditor, compliance_limited_reader;
