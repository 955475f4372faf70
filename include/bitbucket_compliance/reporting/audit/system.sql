-- Purpose: what the system is, in numbers: repositories by classification, members, runs of the period.

SELECT
    (SELECT count(*) FROM compliance.repositories AS listed WHERE listed.workspace = %(workspace)s) AS repositories,
    (
        SELECT count(*)
        FROM compliance.repositories AS listed
        WHERE listed.workspace = %(workspace)s AND listed.classification = 'non_production'
    ) AS out_of_scope,
    (SELECT count(*) FROM compliance.members AS listed WHERE listed.workspace = %(workspace)s) AS members,
    count(*) AS runs,
    count(*) FILTER (WHERE runs.status = 'published') AS published,
    min(runs.started_at) AS first_run_at,
    array_agg(DISTINCT runs.identity_role) FILTER (WHERE runs.identity_role IS NOT null) AS identity_roles
FROM compliance.runs AS runs
WHERE
    runs.workspace = %(workspace)s
    AND runs.started_at >= %(starts_at)s
    AND runs.started_at < %(ends_at)s;
