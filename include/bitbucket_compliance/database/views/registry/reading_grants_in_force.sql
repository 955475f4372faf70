-- Purpose: what each login may read now, with the instants between which it may (the last one is outside).

CREATE VIEW registry.reading_grants_in_force AS
SELECT
    grants.grant_id,
    grants.login,
    grants.workspace,
    grants.first_day,
    grants.last_day,
    coalesce(grants.first_day::timestamp AT TIME ZONE 'UTC', '-infinity') AS starts_at,
    coalesce((grants.last_day + 1)::timestamp AT TIME ZONE 'UTC', 'infinity') AS ends_at
FROM registry.reading_grants AS grants
WHERE NOT EXISTS (SELECT 1 FROM registry.reading_grant_endings AS endings WHERE endings.grant_id = grants.grant_id);

GRANT SELECT ON registry.reading_grants_in_force TO compliance_pipeline;
