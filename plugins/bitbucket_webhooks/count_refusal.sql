-- Purpose: count a delivery in the name of a webhook whose signature was wrong, once a minute at most.

UPDATE integration.webhooks AS webhooks
SET refused = webhooks.refused + 1, refused_at = clock_timestamp()
WHERE
    webhooks.hook_id = %(hook_id)s
    AND (webhooks.refused_at IS null OR webhooks.refused_at < clock_timestamp() - interval '1 minute');
