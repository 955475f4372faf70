-- Purpose: the alerts that were told through a connection and whose end was not: the key by which each was told, and
-- its name, which is the key without the instant at its end.

SELECT
    sent.change_key,
    regexp_replace(substr(sent.change_key, length('alert|') + 1), '\|[^|]*$', '') AS name
FROM integration.notifications_sent AS sent
WHERE
    sent.conn_id = %(conn_id)s
    AND starts_with(sent.change_key, 'alert|')
    AND NOT EXISTS (
        SELECT 1
        FROM integration.notifications_sent AS ended
        WHERE ended.conn_id = sent.conn_id AND ended.change_key = 'ended|' || sent.change_key
    );
