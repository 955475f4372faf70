-- Purpose: by workspace, in the connection's order, whether events of its webhooks arrive.

WITH workspaces AS (
    SELECT
        named.workspace,
        named.place
    FROM unnest(%(workspaces)s::text[]) WITH ORDINALITY AS named (workspace, place)
),

problems AS (
    SELECT
        webhooks.workspace,
        (array_agg(webhooks.problem ORDER BY webhooks.repository_id ASC, webhooks.slug ASC) FILTER (
            WHERE webhooks.problem IS NOT null
        ))[1:3] AS first_problems,
        count(*) FILTER (WHERE webhooks.repository_id <> '') AS repositories,
        count(*) FILTER (WHERE webhooks.repository_id <> '' AND webhooks.state = 'active') AS repositories_active
    FROM integration.webhooks AS webhooks
    WHERE webhooks.conn_id = %(conn_id)s
    GROUP BY webhooks.workspace
)

SELECT
    workspaces.workspace,
    health.of_workspace,
    health.active,
    health.disabled,
    health.missing,
    health.failed,
    health.registered_at,
    health.checked_at,
    health.refused,
    health.refused_at,
    health.last_event_at,
    health.events_in_a_day,
    health.waiting,
    health.waiting_since,
    health.gaps_in_a_week,
    problems.first_problems,
    problems.repositories,
    problems.repositories_active
FROM workspaces
LEFT JOIN integration.webhook_health AS health
    ON workspaces.workspace = health.workspace AND health.conn_id = %(conn_id)s
LEFT JOIN problems ON workspaces.workspace = problems.workspace
ORDER BY workspaces.place;
