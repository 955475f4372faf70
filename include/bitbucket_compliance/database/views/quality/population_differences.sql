-- Purpose: what the run read and is not in the table, what is in the table and was not read, without a reason, and what
-- was published before and is not there any more.

CREATE VIEW quality.population_differences AS
WITH listings AS (
    SELECT
        calls.resource AS population,
        calls.complete
    FROM landing.calls AS calls
    WHERE
        calls.workspace = current_setting('compliance.workspace')
        AND calls.run_id = current_setting('compliance.run_id')
        AND calls.resource IN ('repositories', 'members')
        AND calls.outcome = 'ok'
),

listed AS (
    SELECT DISTINCT
        objects.resource AS population,
        objects.object_key AS key
    FROM landing.run_objects AS objects
    WHERE
        objects.workspace = current_setting('compliance.workspace')
        AND objects.run_id = current_setting('compliance.run_id')
        AND objects.resource IN ('repositories', 'members')
),

staged AS (
    SELECT
        'repositories' AS population,
        repositories.repository_id AS key,
        repositories.slug AS name
    FROM staging.repositories AS repositories
    WHERE repositories.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'members' AS population,
        members.member_id AS key,
        null AS name
    FROM staging.members AS members
    WHERE members.workspace = current_setting('compliance.workspace')
),

inventory AS (
    SELECT
        'repositories' AS population,
        repositories.repository_id AS key,
        repositories.slug AS name
    FROM compliance.repositories AS repositories
    WHERE repositories.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'members' AS population,
        members.member_id AS key,
        null AS name
    FROM compliance.members AS members
    WHERE members.workspace = current_setting('compliance.workspace')
),

intervals AS (
    SELECT
        'repositories' AS population,
        history.repository_id AS key,
        history.valid_to
    FROM compliance.repository_history AS history
    WHERE history.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'members' AS population,
        history.member_id AS key,
        history.valid_to
    FROM compliance.member_history AS history
    WHERE history.workspace = current_setting('compliance.workspace')
),

stands AS (
    SELECT
        intervals.population,
        intervals.key
    FROM intervals
    WHERE intervals.valid_to IS null
),

-- of each kind, what the newest count found in the table, which only grows
counted AS (
    SELECT DISTINCT ON (counts.population)
        counts.population,
        counts.in_table,
        counts.counted_at
    FROM compliance.population_counts AS counts
    WHERE
        counts.workspace = current_setting('compliance.workspace')
        AND counts.population IN ('pull_requests', 'direct_pushes', 'leavers')
    ORDER BY counts.population ASC, counts.counted_at DESC
),

there AS (
    SELECT
        CASE changes.kind WHEN 'pull_request' THEN 'pull_requests' ELSE 'direct_pushes' END AS population,
        count(*) AS rows
    FROM compliance.changes AS changes
    WHERE changes.workspace = current_setting('compliance.workspace')
    GROUP BY changes.kind
    UNION ALL
    SELECT
        'leavers' AS population,
        count(*) AS rows
    FROM compliance.leaver_records AS records
    WHERE records.workspace = current_setting('compliance.workspace')
)

SELECT
    coalesce(listed.population, staged.population) AS population,
    coalesce(listed.key, staged.key) AS key,
    staged.name,
    CASE
        WHEN staged.key IS null THEN 'was read and is not staged' ELSE 'is staged and was not read'
    END AS problem
FROM listed
FULL JOIN staged ON listed.population = staged.population AND listed.key = staged.key
INNER JOIN listings ON coalesce(listed.population, staged.population) = listings.population
WHERE staged.key IS null OR (listed.key IS null AND listings.complete)
UNION ALL
SELECT
    coalesce(inventory.population, stands.population) AS population,
    coalesce(inventory.key, stands.key) AS key,
    inventory.name,
    CASE
        WHEN stands.key IS null THEN 'is published and has no open interval in its history'
        ELSE 'has an open interval in its history and is not published'
    END AS problem
FROM inventory
FULL JOIN stands ON inventory.population = stands.population AND inventory.key = stands.key
WHERE
    (inventory.key IS null OR stands.key IS null)
    -- before the first publication since this history is kept there is none
    AND EXISTS (
        SELECT 1 FROM intervals
        WHERE intervals.population = coalesce(inventory.population, stands.population)
    )
UNION ALL
-- merges that a run published which read the repository last
SELECT
    'pull_requests' AS population,
    merged.repository_id || ' ' || merged.pull_request_id AS key,
    repositories.slug || ' ' || merged.pull_request_id AS name,
    'was read by ' || reads.run_id || ' and is not in the table' AS problem
FROM landing.repository_reads AS reads
INNER JOIN integration.runs AS runs
    ON reads.workspace = runs.workspace AND reads.run_id = runs.run_id AND runs.status = 'published'
INNER JOIN registry.policy_versions AS policies ON runs.policy_version = policies.policy_version
INNER JOIN staging.repositories AS repositories
    ON reads.workspace = repositories.workspace AND reads.repository_id = repositories.repository_id
INNER JOIN staging.merged_pull_requests AS merged
    ON
        reads.workspace = merged.workspace
        AND reads.repository_id = merged.repository_id
        AND merged.merged_on
        >= runs.started_at - make_interval(days => (policies.body #>> '{thresholds,population_days}')::integer)
LEFT JOIN compliance.changes AS changes
    ON
        merged.workspace = changes.workspace
        AND merged.repository_id = changes.repository_id
        AND changes.kind = 'pull_request'
        AND merged.pull_request_id = changes.pull_request_id
WHERE reads.workspace = current_setting('compliance.workspace') AND changes.change_key IS null
UNION ALL
SELECT
    counted.population,
    null AS key,
    null AS name,
    'has ' || coalesce(there.rows, 0) || ' rows and had ' || counted.in_table || ' at ' || counted.counted_at AS problem
FROM counted
LEFT JOIN there ON counted.population = there.population
WHERE coalesce(there.rows, 0) < counted.in_table
UNION ALL
SELECT
    CASE changes.kind WHEN 'pull_request' THEN 'pull_requests' ELSE 'direct_pushes' END AS population,
    changes.repository_id || ' ' || changes.change_key AS key,
    changes.repository || ' ' || changes.change_key AS name,
    'is in the table, and no run read it' AS problem
FROM compliance.changes AS changes
LEFT JOIN integration.runs AS runs
    ON changes.workspace = runs.workspace AND changes.first_run_id = runs.run_id
WHERE changes.workspace = current_setting('compliance.workspace') AND runs.run_id IS null;
