-- Purpose: the webhook of this uuid, and the secrets of its connection that its own may be made of: the current
-- one, those that are accepted a while longer, and the one it was given last.

SELECT
    webhooks.hook_id,
    webhooks.conn_id,
    webhooks.workspace,
    webhooks.repository_id,
    array_agg(secrets.sealed ORDER BY secrets.secret_id DESC) AS sealed
FROM integration.webhooks AS webhooks
INNER JOIN integration.webhook_secrets AS secrets ON webhooks.conn_id = secrets.conn_id
WHERE
    webhooks.hook_id = %(hook_id)s
    AND (
        secrets.accepted_until IS null
        OR secrets.accepted_until > clock_timestamp()
        OR secrets.secret_id = webhooks.secret_id
    )
GROUP BY webhooks.hook_id, webhooks.conn_id, webhooks.workspace, webhooks.repository_id;
