-- Purpose: give the workspace to a run, where nobody else works on it. A lease is free where its run has ended, as
-- Airflow was asked; where nobody can ask, it is free where no task holds the lock and the run gave no sign of life for
-- too long. One that waits for requests may come back late.

WITH idle AS (
    SELECT pg_try_advisory_xact_lock(hashtextextended('compliance ' || %(workspace)s, 0)) AS nobody_works
)

INSERT INTO integration.workspace_leases AS leases (workspace, run_id, dag_id, renewed_at)
SELECT
    %(workspace)s,
    %(run_id)s,
    %(dag_id)s,
    clock_timestamp()
FROM idle
WHERE idle.nobody_works OR %(ended)s::text IS NOT null
ON CONFLICT (workspace) DO UPDATE
    SET run_id = excluded.run_id, dag_id = excluded.dag_id, renewed_at = excluded.renewed_at, waits_until = null
    WHERE
    leases.run_id IN (excluded.run_id, %(ended)s::text)
    OR greatest(leases.renewed_at, leases.waits_until + make_interval(secs => %(late)s))
    <= clock_timestamp() - make_interval(secs => CASE WHEN leases.dag_id IS null THEN %(silence)s ELSE %(lost)s END)
RETURNING leases.run_id;
