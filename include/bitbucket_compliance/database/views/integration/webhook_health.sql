-- Purpose: whether webhooks deliver, by connection and workspace.

CREATE VIEW integration.webhook_health AS
WITH hooks AS (
    SELECT
        webhooks.conn_id,
        webhooks.workspace,
        count(*) FILTER (WHERE webhooks.state = 'active') AS active,
        count(*) FILTER (WHERE webhooks.state = 'disabled') AS disabled,
        count(*) FILTER (WHERE webhooks.state = 'missing') AS missing,
        count(*) FILTER (WHERE webhooks.state = 'not_allowed') AS not_allowed,
        count(*) FILTER (WHERE webhooks.state = 'failed') AS failed,
        coalesce(bool_or(webhooks.repository_id = '' AND webhooks.hook_id IS NOT null), false) AS of_workspace,
        min(webhooks.registered_at) AS registered_at,
        min(webhooks.checked_at) AS checked_at,
        sum(webhooks.refused) AS refused,
        max(webhooks.refused_at) AS refused_at
    FROM integration.webhooks AS webhooks
    GROUP BY webhooks.conn_id, webhooks.workspace
),

events AS (
    SELECT
        events.conn_id,
        events.workspace,
        max(events.received_at) AS last_event_at,
        count(*) FILTER (WHERE events.received_at > now() - interval '1 day') AS events_in_a_day,
        count(*) FILTER (WHERE events.handled_at IS null) AS waiting,
        min(events.received_at) FILTER (WHERE events.handled_at IS null) AS waiting_since
    FROM integration.webhook_events AS events
    GROUP BY events.conn_id, events.workspace
),

gaps AS (
    SELECT
        gaps.workspace,
        count(*) FILTER (WHERE gaps.found_at > now() - interval '7 days') AS gaps_in_a_week,
        max(gaps.changed_at) AS last_gap_at
    FROM integration.webhook_gaps AS gaps
    GROUP BY gaps.workspace
)

SELECT
    hooks.conn_id,
    hooks.workspace,
    hooks.of_workspace,
    hooks.active,
    hooks.disabled,
    hooks.missing,
    hooks.not_allowed,
    hooks.failed,
    hooks.registered_at,
    hooks.checked_at,
    hooks.refused,
    hooks.refused_at,
    events.last_event_at,
    coalesce(events.events_in_a_day, 0) AS events_in_a_day,
    coalesce(events.waiting, 0) AS waiting,
    events.waiting_since,
    coalesce(gaps.gaps_in_a_week, 0) AS gaps_in_a_week,
    gaps.last_gap_at
FROM hooks
LEFT JOIN events ON hooks.conn_id = events.conn_id AND hooks.workspace = events.workspace
LEFT JOIN gaps ON hooks.workspace = gaps.workspace;

COMMENT ON VIEW integration.webhook_health IS
'Whether events arrive: webhooks by state, the last event, what waits, and what polling found that none announced; a row a connection and workspace.';
COMMENT ON COLUMN integration.webhook_health.conn_id IS 'Airflow''s connection id.';
COMMENT ON COLUMN integration.webhook_health.workspace IS 'Workspace slug.';
COMMENT ON COLUMN integration.webhook_health.of_workspace IS 'Whether the workspace has a webhook of its own; else its repositories have.';
COMMENT ON COLUMN integration.webhook_health.active IS 'Webhooks that deliver.';
COMMENT ON COLUMN integration.webhook_health.disabled IS 'Webhooks that somebody switched off at Bitbucket.';
COMMENT ON COLUMN integration.webhook_health.missing IS 'Webhooks that are not there any more.';
COMMENT ON COLUMN integration.webhook_health.not_allowed IS 'Places where this identity may not have a webhook.';
COMMENT ON COLUMN integration.webhook_health.failed IS 'Webhooks that Bitbucket could not be asked for.';
COMMENT ON COLUMN integration.webhook_health.registered_at IS 'Since when the oldest of them has been delivering.';
COMMENT ON COLUMN integration.webhook_health.checked_at IS 'When the one looked at longest ago was last asked for.';
COMMENT ON COLUMN integration.webhook_health.refused IS 'Deliveries in their name whose signature was wrong, counted once a minute at most.';
COMMENT ON COLUMN integration.webhook_health.refused_at IS 'When the last of them came.';
COMMENT ON COLUMN integration.webhook_health.last_event_at IS 'When the last event came.';
COMMENT ON COLUMN integration.webhook_health.events_in_a_day IS 'Events of the last 24 hours.';
COMMENT ON COLUMN integration.webhook_health.waiting IS 'Events that no published run has answered yet.';
COMMENT ON COLUMN integration.webhook_health.waiting_since IS 'Since when the oldest of them has been waiting.';
COMMENT ON COLUMN integration.webhook_health.gaps_in_a_week IS 'Changes that polling found in the last 7 days and no event announced.';
COMMENT ON COLUMN integration.webhook_health.last_gap_at IS 'When the last of them happened.';

GRANT SELECT ON TABLE integration.webhook_health TO compliance_pipeline, compliance_console;
