-- Purpose: what webhooks told of pushes to the main branch of each repository in the window. direct_pushes: how many
-- brought what no merged pull request did, as far as pull requests were listed since; null where webhooks were silent
-- for any part of the window. by_persons: those of them by persons, the newest first, in words (null: none).
-- rewritten: forced pushes and removals, the same way. push_detail: what the verdicts tell of it.

CREATE FUNCTION judging.pushes(in_workspace text, only_subjects text[], window_start timestamptz)
RETURNS TABLE (
    repository_id text, direct_pushes bigint, by_persons text[], rewritten text[], last_rewritten_at timestamptz,
    push_detail jsonb
)
LANGUAGE sql STABLE
AS $pushes$
    WITH told AS (
        SELECT
            pushes.*,
            pushes.forced OR pushes.removed AS is_rewritten,
            format(
                '%s on %s',
                CASE
                    WHEN pushes.removed THEN 'removal'
                    WHEN pushes.forced THEN 'forced push of ' || left(pushes.new_hash, 12)
                    ELSE left(pushes.new_hash, 12)
                END,
                (pushes.received_at AT TIME ZONE 'UTC')::date
            ) AS words,
            jsonb_build_object(
                'at', pushes.received_at,
                'old', pushes.old_hash,
                'new', pushes.new_hash,
                'forced', pushes.forced,
                'removed', pushes.removed,
                'by', pushes.pushed_by
            ) AS body
        FROM judging.told_pushes(in_workspace, only_subjects, window_start) AS pushes
    ),

    counted AS (
        SELECT
            told.repository_id,
            count(*) FILTER (WHERE told.is_direct) AS direct,
            array_agg(told.words ORDER BY told.push_id DESC) FILTER (
                WHERE told.is_direct AND told.is_by_person
            ) AS by_persons,
            array_agg(told.words ORDER BY told.push_id DESC) FILTER (WHERE told.is_rewritten) AS rewritten,
            max(told.received_at) FILTER (WHERE told.is_rewritten) AS last_rewritten_at,
            jsonb_path_query_array(
                jsonb_agg(told.body ORDER BY told.push_id DESC) FILTER (WHERE told.is_direct), '$[0 to 19]'
            ) AS newest
        FROM told
        GROUP BY told.repository_id
    ),

    -- What a webhook should have announced and did not: it was silent then, for whatever reason.
    silences AS (
        SELECT
            gaps.repository_id,
            max(gaps.changed_at) AS last_at
        FROM integration.webhook_gaps AS gaps
        WHERE gaps.workspace = in_workspace AND gaps.changed_at >= window_start
        GROUP BY gaps.repository_id
    ),

    watched AS (
        SELECT repositories.repository_id
        FROM staging.repositories AS repositories
        WHERE
            repositories.workspace = in_workspace
            AND (only_subjects IS null OR repositories.repository_id = any(only_subjects))
            AND EXISTS (
                SELECT 1
                FROM integration.webhooks AS webhooks
                WHERE
                    webhooks.workspace = repositories.workspace
                    AND webhooks.repository_id IN ('', repositories.repository_id)
                    AND webhooks.state = 'active'
                    AND webhooks.registered_at <= window_start
                    AND 'repo:push' = any(webhooks.events)
                    AND NOT EXISTS (
                        SELECT 1 FROM silences
                        WHERE webhooks.repository_id IN ('', silences.repository_id)
                    )
            )
            -- of a branch that was not known to be the main branch nothing is kept
            AND EXISTS (
                SELECT 1
                FROM staging.main_branches AS branches
                WHERE
                    branches.workspace = repositories.workspace
                    AND branches.repository_id = repositories.repository_id
                    AND branches.main_branch = repositories.main_branch
                    AND branches.first_seen_at <= window_start
                    AND branches.until IS null
            )
            AND EXISTS (
                SELECT 1
                FROM staging.coverage AS listed
                WHERE
                    listed.workspace = repositories.workspace
                    AND listed.repository_id = repositories.repository_id
                    AND listed.resource = 'pull_requests'
                    AND listed.outcome = 'ok'
            )
    )

    SELECT
        repositories.repository_id,
        summary.direct_pushes,
        counted.by_persons,
        counted.rewritten,
        counted.last_rewritten_at,
        jsonb_build_object(
            'direct_pushes', summary.direct_pushes, 'direct_pushes_told', coalesce(counted.newest, '[]')
        )
    FROM staging.repositories AS repositories
    LEFT JOIN counted ON repositories.repository_id = counted.repository_id
    LEFT JOIN watched ON repositories.repository_id = watched.repository_id
    CROSS JOIN
        LATERAL (
            SELECT
                CASE WHEN watched.repository_id IS NOT null THEN coalesce(counted.direct, 0) END AS direct_pushes
        ) AS summary
    WHERE
        repositories.workspace = in_workspace
        AND (only_subjects IS null OR repositories.repository_id = any(only_subjects))
$pushes$;
