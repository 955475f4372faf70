-- Purpose: what the run made of each population: what Bitbucket said there is, what was read, what stands in the table
-- now, and what of it differs and why.

WITH listings AS (
    SELECT
        calls.resource AS population,
        calls.complete,
        coalesce(
            calls.incomplete_because, CASE WHEN calls.outcome <> 'ok' THEN 'the call ended with ' || calls.outcome END
        )
            AS incomplete_because,
        CASE
            WHEN NOT calls.complete THEN null
            WHEN calls.listing_size IS NOT null THEN 'size'
            ELSE 'last_page'
        END AS shown_whole_by,
        calls.listing_size AS said,
        CASE WHEN calls.outcome = 'ok' THEN calls.items END AS items
    FROM landing.calls AS calls
    WHERE
        calls.workspace = %(workspace)s
        AND calls.run_id = %(run_id)s
        AND calls.resource IN ('repositories', 'members')
),

listed AS (
    SELECT DISTINCT
        objects.resource AS population,
        objects.object_key AS key
    FROM landing.run_objects AS objects
    WHERE
        objects.workspace = %(workspace)s
        AND objects.run_id = %(run_id)s
        AND objects.resource IN ('repositories', 'members')
),

published AS (
    SELECT
        'repositories' AS population,
        repositories.repository_id AS key,
        repositories.slug AS name
    FROM compliance.repositories AS repositories
    WHERE repositories.workspace = %(workspace)s
    UNION ALL
    SELECT
        'members' AS population,
        members.member_id AS key,
        null AS name
    FROM compliance.members AS members
    WHERE members.workspace = %(workspace)s
),

changes_read AS (
    SELECT
        'pull_requests' AS population,
        merged.repository_id || ' ' || merged.pull_request_id AS key,
        merged.repository_id,
        merged.merged_on AS happened_at
    FROM staging.merged_pull_requests AS merged
    WHERE merged.workspace = %(workspace)s
    UNION ALL
    SELECT
        'direct_pushes' AS population,
        pushes.repository_id || ' ' || pushes.push_id AS key,
        pushes.repository_id,
        pushes.received_at AS happened_at
    FROM judging.told_pushes(%(workspace)s, null, %(population_start)s) AS pushes
    WHERE pushes.is_direct OR pushes.forced OR pushes.removed
),

changes_recorded AS (
    SELECT
        CASE changes.kind WHEN 'pull_request' THEN 'pull_requests' ELSE 'direct_pushes' END AS population,
        changes.repository_id || ' ' || changes.change_key AS key,
        changes.repository_id,
        changes.repository || ' ' || changes.change_key AS name,
        changes.merged_on AS happened_at
    FROM compliance.changes AS changes
    WHERE changes.workspace = %(workspace)s
),

differences AS (
    SELECT
        coalesce(listed.population, published.population) AS population,
        coalesce(listed.key, published.key) AS key,
        published.name,
        CASE WHEN published.key IS null THEN 'not_in_table' ELSE 'not_read' END AS difference,
        CASE
            WHEN published.key IS NOT null AND NOT listings.complete
                THEN 'The listing was not complete, and by such a one nothing is gone.'
        END AS reason
    FROM listed
    FULL JOIN published ON listed.population = published.population AND listed.key = published.key
    INNER JOIN listings ON coalesce(listed.population, published.population) = listings.population
    WHERE listed.key IS null OR published.key IS null
    UNION ALL
    SELECT
        coalesce(changes_read.population, changes_recorded.population) AS population,
        coalesce(changes_read.key, changes_recorded.key) AS key,
        changes_recorded.name,
        CASE WHEN changes_recorded.key IS null THEN 'not_in_table' ELSE 'not_read' END AS difference,
        CASE
            WHEN changes_recorded.key IS null THEN null
            WHEN repositories.repository_id IS null THEN 'The repository is not listed any more; its changes stay.'
            WHEN changes_recorded.population = 'direct_pushes'
                THEN 'A pull request that was read later accounts for it, or what the webhook told is not kept so long.'
            ELSE 'Its branch is not the main branch any more.'
        END AS reason
    FROM changes_read
    FULL JOIN changes_recorded
        ON changes_read.population = changes_recorded.population AND changes_read.key = changes_recorded.key
    LEFT JOIN staging.repositories AS repositories
        ON
            repositories.workspace = %(workspace)s
            AND coalesce(changes_read.repository_id, changes_recorded.repository_id) = repositories.repository_id
    WHERE
        (changes_read.key IS null OR changes_recorded.key IS null)
        AND coalesce(changes_read.happened_at, changes_recorded.happened_at) >= %(population_start)s
),

summed AS (
    SELECT
        numbered.population,
        count(*) FILTER (WHERE numbered.reason IS null) AS unexplained,
        jsonb_agg(
            jsonb_build_object(
                'key', numbered.key,
                'name', numbered.name,
                'difference', numbered.difference,
                'reason', numbered.reason
            )
            ORDER BY numbered.place
        ) FILTER (WHERE numbered.place <= 100) AS shown
    FROM (
        SELECT
            differences.*,
            row_number() OVER (
                PARTITION BY differences.population
                ORDER BY differences.reason NULLS FIRST, differences.key
            ) AS place
        FROM differences
    ) AS numbered
    GROUP BY numbered.population
),

-- repositories of which it is not shown that every merged pull request was read
unread AS (
    SELECT
        count(*) AS repositories,
        min(listed.slug) AS first_slug
    FROM compliance.repositories AS listed
    LEFT JOIN staging.coverage AS coverage
        ON
            listed.workspace = coverage.workspace
            AND listed.repository_id = coverage.repository_id
            AND coverage.resource = 'pull_requests'
    WHERE
        listed.workspace = %(workspace)s
        AND listed.classification IS DISTINCT FROM 'non_production'
        AND listed.default_branch IS NOT null
        AND coverage.complete IS NOT true
),

previous AS (
    SELECT
        max(counts.counted_at) AS counted_at,
        min(counts.reaches_back_to) FILTER (WHERE counts.population = 'pull_requests') AS merges_since,
        min(counts.reaches_back_to) FILTER (WHERE counts.population = 'direct_pushes') AS pushes_since
    FROM compliance.population_counts AS counts
    WHERE counts.workspace = %(workspace)s
),

-- repositories whose pushes nothing told of for a part of the time since the run before
unwatched AS (
    SELECT
        count(*) AS repositories,
        min(listed.slug) AS first_slug
    FROM compliance.repositories AS listed
    CROSS JOIN previous
    WHERE
        listed.workspace = %(workspace)s
        AND listed.classification IS DISTINCT FROM 'non_production'
        AND listed.default_branch IS NOT null
        AND (
            NOT EXISTS (
                SELECT 1
                FROM integration.webhooks AS webhooks
                WHERE
                    webhooks.workspace = listed.workspace
                    AND webhooks.repository_id IN ('', listed.repository_id)
                    AND webhooks.state = 'active'
                    AND 'repo:push' = any(webhooks.events)
                    AND webhooks.registered_at <= coalesce(previous.counted_at, '-infinity')
            )
            OR EXISTS (
                SELECT 1
                FROM integration.webhook_gaps AS gaps
                WHERE
                    gaps.workspace = listed.workspace
                    AND gaps.repository_id = listed.repository_id
                    AND gaps.changed_at > previous.counted_at
            )
        )
),

rosters AS (
    SELECT
        count(*) AS imported,
        coalesce((SELECT lookup.outcome FROM judging.email_lookup(%(workspace)s) AS lookup), 'ok') AS looked_up
    FROM registry.rosters_in_force
),

counted AS (
    SELECT
        listings.population,
        listings.complete,
        listings.incomplete_because,
        listings.shown_whole_by,
        listings.said,
        listings.items AS read,
        (SELECT count(*) FROM published WHERE published.population = listings.population) AS in_table,
        null::timestamptz AS reaches_back_to
    FROM listings
    UNION ALL
    SELECT
        'pull_requests' AS population,
        unread.repositories = 0 AS complete,
        CASE
            WHEN unread.repositories > 0
                THEN
                    'the merged pull requests of ' || unread.repositories
                    || ' repositories were not all read, the first: ' || unread.first_slug
        END AS incomplete_because,
        null AS shown_whole_by,
        null AS said,
        (
            SELECT count(*) FROM changes_read
            WHERE changes_read.population = 'pull_requests' AND changes_read.happened_at >= %(population_start)s
        ) AS read,
        (SELECT count(*) FROM changes_recorded WHERE changes_recorded.population = 'pull_requests') AS in_table,
        least(previous.merges_since, %(population_start)s) AS reaches_back_to
    FROM unread
    CROSS JOIN previous
    UNION ALL
    SELECT
        'direct_pushes' AS population,
        unwatched.repositories = 0 AS complete,
        CASE
            WHEN unwatched.repositories > 0
                THEN
                    'no webhook told of pushes to ' || unwatched.repositories
                    || ' repositories for all the time since the run before, the first: ' || unwatched.first_slug
        END AS incomplete_because,
        null AS shown_whole_by,
        null AS said,
        (SELECT count(*) FROM changes_read WHERE changes_read.population = 'direct_pushes') AS read,
        (SELECT count(*) FROM changes_recorded WHERE changes_recorded.population = 'direct_pushes') AS in_table,
        coalesce(
            previous.pushes_since,
            (
                SELECT min(webhooks.registered_at)
                FROM integration.webhooks AS webhooks
                WHERE webhooks.workspace = %(workspace)s AND 'repo:push' = any(webhooks.events)
            )
        ) AS reaches_back_to
    FROM unwatched
    CROSS JOIN previous
    UNION ALL
    SELECT
        'leavers' AS population,
        rosters.imported > 0 AND rosters.looked_up = 'ok' AS complete,
        CASE
            WHEN rosters.imported = 0 THEN 'no roster was imported'
            WHEN rosters.looked_up <> 'ok' THEN 'the declared addresses could not be looked up: ' || rosters.looked_up
        END AS incomplete_because,
        null AS shown_whole_by,
        %(leavers)s AS said,
        %(leavers)s AS read,
        (
            SELECT count(*) FROM compliance.leaver_records AS records
            WHERE records.workspace = %(workspace)s
        ) AS in_table,
        null AS reaches_back_to
    FROM rosters
)

INSERT INTO compliance.population_counts (
    workspace,
    run_id,
    population,
    day,
    counted_at,
    complete,
    incomplete_because,
    shown_whole_by,
    said,
    read,
    in_table,
    differences,
    unexplained,
    reaches_back_to,
    workspace_id
)
SELECT
    %(workspace)s AS workspace,
    %(run_id)s AS run_id,
    counted.population,
    (%(published_at)s::timestamptz AT TIME ZONE 'UTC')::date AS day,
    %(published_at)s AS counted_at,
    counted.complete,
    counted.incomplete_because,
    counted.shown_whole_by,
    counted.said,
    counted.read,
    counted.in_table,
    coalesce(summed.shown, '[]') AS differences,
    coalesce(summed.unexplained, 0) AS unexplained,
    counted.reaches_back_to,
    %(workspace_id)s AS workspace_id
FROM counted
LEFT JOIN summed ON counted.population = summed.population
ON CONFLICT (workspace, run_id, population) DO NOTHING;
