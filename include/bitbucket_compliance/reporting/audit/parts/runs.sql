-- Purpose: the runs that began in the period: identity, scopes, what was read, what became of them.

SELECT runs.*
FROM compliance.runs AS runs
WHERE
    runs.workspace = %(workspace)s
    AND runs.started_at >= %(starts_at)s
    AND runs.started_at < %(ends_at)s
ORDER BY runs.started_at, runs.run_id;
