-- Purpose: open the run's row. A run for events judges all subjects where the policy changed since the last
-- publication.

WITH published AS (
    SELECT runs.policy_version
    FROM integration.runs AS runs
    WHERE runs.workspace = %(workspace)s AND runs.status = 'published'
    ORDER BY runs.started_at DESC
    LIMIT 1
)

INSERT INTO integration.runs (run_id, workspace, started_at, full_refresh, policy_version, kind, judges_all)
SELECT
    %(run_id)s,
    %(workspace)s,
    %(started_at)s,
    %(full_refresh)s,
    %(policy_version)s,
    CASE WHEN %(incremental)s THEN 'events' ELSE 'polling' END,
    NOT %(incremental)s OR %(policy_version)s NOT IN (SELECT published.policy_version FROM published)
ON CONFLICT (run_id) DO NOTHING;
