-- Purpose: note what polling found and a webhook should have announced: what changed between the last polling run and
-- ten minutes before this one, on a repository of which no event came since. Ten minutes, because deliveries take their
-- time and clocks differ. A comment moves updated_on too, so a pull request counts when it was opened or merged.

WITH previous AS (
    SELECT max(runs.started_at) AS started_at
    FROM integration.runs AS runs
    WHERE
        runs.workspace = %(workspace)s
        AND runs.kind = 'polling'
        AND runs.status = 'published'
        AND runs.run_id <> %(run_id)s
),

hooks AS (
    SELECT
        webhooks.repository_id,
        webhooks.events,
        greatest(webhooks.registered_at, previous.started_at - interval '10 minutes') AS announced_from
    FROM integration.webhooks AS webhooks
    CROSS JOIN previous
    WHERE
        webhooks.workspace = %(workspace)s
        AND webhooks.state = 'active'
        AND webhooks.registered_at IS NOT null
        AND previous.started_at IS NOT null
),

changes AS (
    SELECT
        'repository' AS kind,
        repositories.repository_id,
        repositories.slug AS object_key,
        repositories.created_on AS changed_at,
        'repo:created' AS event_key
    FROM staging.repositories AS repositories
    WHERE repositories.workspace = %(workspace)s
    UNION ALL
    SELECT
        'pull_request' AS kind,
        pull_requests.repository_id,
        pull_requests.pull_request_id::text AS object_key,
        coalesce(pull_requests.merged_on, pull_requests.created_on) AS changed_at,
        CASE pull_requests.state WHEN 'MERGED' THEN 'pullrequest:fulfilled' ELSE 'pullrequest:created' END AS event_key
    FROM staging.pull_requests AS pull_requests
    WHERE pull_requests.workspace = %(workspace)s
    UNION ALL
    SELECT
        'pipeline' AS kind,
        pipelines.repository_id,
        pipelines.pipeline_id AS object_key,
        pipelines.created_on AS changed_at,
        'repo:commit_status_created' AS event_key
    FROM staging.latest_pipelines AS pipelines
    WHERE pipelines.workspace = %(workspace)s
)

INSERT INTO integration.webhook_gaps (workspace, kind, repository_id, object_key, changed_at, run_id)
SELECT DISTINCT
    %(workspace)s,
    changes.kind,
    changes.repository_id,
    changes.object_key,
    changes.changed_at,
    %(run_id)s
FROM changes
INNER JOIN hooks
    ON
        hooks.repository_id IN ('', changes.repository_id)
        AND changes.event_key = any(hooks.events)
        AND changes.changed_at > hooks.announced_from
WHERE
    changes.changed_at <= %(as_of)s::timestamptz - interval '10 minutes'
    AND NOT EXISTS (
        SELECT 1
        FROM integration.webhook_events AS events
        WHERE
            events.workspace = %(workspace)s
            AND events.repository_id = changes.repository_id
            AND events.received_at >= changes.changed_at - interval '10 minutes'
    )
ON CONFLICT (workspace, kind, repository_id, object_key, changed_at) DO NOTHING;
