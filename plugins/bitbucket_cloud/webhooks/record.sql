-- Purpose: keep what Bitbucket said of one webhook. Since when it delivers is kept, unless it did not in the meantime.
INSERT INTO integration.webhooks AS webhooks (
    conn_id, workspace, repository_id, slug, hook_id, url, events, secret_id, state, problem, registered_at
)
VALUES (
    %(conn_id)s, %(workspace)s, %(repository_id)s, %(slug)s, %(hook_id)s, %(url)s, %(events)s::text[], %(secret_id)s,
    %(state)s, %(problem)s, CASE WHEN %(state)s = 'active' THEN clock_timestamp() END
)
ON CONFLICT (conn_id, workspace, repository_id) DO UPDATE
    SET
        slug = excluded.slug,
        hook_id = excluded.hook_id,
        url = excluded.url,
        events = excluded.events,
        secret_id = excluded.secret_id,
        state = excluded.state,
        problem = excluded.problem,
        registered_at = CASE
            WHEN excluded.state <> 'active' THEN webhooks.registered_at
            WHEN %(anew)s::boolean OR webhooks.state IN ('missing', 'disabled') THEN excluded.registered_at
            ELSE coalesce(webhooks.registered_at, excluded.registered_at)
        END,
        checked_at = clock_timestamp(),
        refused = CASE WHEN webhooks.secret_id = excluded.secret_id THEN webhooks.refused ELSE 0 END,
        refused_at = CASE WHEN webhooks.secret_id = excluded.secret_id THEN webhooks.refused_at END;
