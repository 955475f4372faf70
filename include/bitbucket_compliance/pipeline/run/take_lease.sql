-- Purpose: give the workspace to a run, where nobody else works on it. A lease is free where no task holds the lock and
-- its run gave no sign of life for too long; one that waits for requests may come back late.

WITH idle AS (
    SELECT pg_try_advisory_xact_lock(hashtextextended('compliance ' || %(workspace)s, 0)) AS nobody_works
)

INSERT INTO integration.workspace_leases AS leases (workspace, run_id, renewed_at)
SELECT
    %(workspace)s,
    %(run_id)s,
    clock_timestamp()
FROM idle
WHERE idle.nobody_works
ON CONFLICT (workspace) DO UPDATE
    SET run_id = excluded.run_id, renewed_at = excluded.renewed_at, waits_until = null
    WHERE
    leases.run_id = excluded.run_id
    OR greatest(leases.renewed_at, leases.waits_until + make_interval(secs => %(late)s))
    <= clock_timestamp() - make_interval(secs => %(silence)s)
RETURNING leases.run_id;
