-- Purpose: the main branches that each repository was seen to have, and from when to when: the first one since ever,
-- the present one without end (null).

CREATE VIEW staging.main_branches AS
WITH seen AS (
    SELECT
        objects.workspace,
        objects.object_key AS repository_id,
        objects.body #>> '{mainbranch,name}' AS main_branch,
        objects.first_fetched_at AS seen_at,
        lag(objects.body #>> '{mainbranch,name}') OVER by_time AS branch_before,
        row_number() OVER by_time AS place
    FROM landing.objects AS objects
    WHERE objects.resource IN ('repositories', 'repository')
    WINDOW by_time AS (PARTITION BY objects.workspace, objects.object_key ORDER BY objects.first_fetched_at ASC)
)

SELECT
    seen.workspace,
    seen.repository_id,
    seen.main_branch,
    seen.seen_at AS first_seen_at,
    CASE WHEN seen.place > 1 THEN seen.seen_at ELSE '-infinity' END AS since,
    lead(seen.seen_at) OVER (PARTITION BY seen.workspace, seen.repository_id ORDER BY seen.place ASC) AS until
FROM seen
WHERE seen.place = 1 OR seen.main_branch IS DISTINCT FROM seen.branch_before;
