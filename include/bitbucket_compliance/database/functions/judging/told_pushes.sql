-- Purpose: each push to the main branch of a repository that a webhook told of since an instant, the newest last.
-- is_direct: it brought what no merged pull request did, as far as pull requests were listed since; that they can be
-- listed no more forgives nothing. One of somebody of whom the delivery says nothing may be a person's.

CREATE FUNCTION judging.told_pushes(in_workspace text, only_subjects text[], since timestamptz)
RETURNS TABLE (
    repository_id text, push_id bigint, received_at timestamptz, old_hash text, new_hash text, forced boolean,
    removed boolean, pushed_by text, is_by_person boolean, is_direct boolean
)
LANGUAGE sql STABLE
AS $told_pushes$
    SELECT
        pushes.repository_id,
        pushes.push_id,
        pushes.received_at,
        pushes.old_hash,
        pushes.new_hash,
        pushes.forced,
        pushes.removed,
        pushes.pushed_by,
        coalesce(pushes.pushed_by_type, 'user') = 'user',
        coalesce(listed.whole_at > pushes.received_at, false)
        AND NOT EXISTS (
            SELECT 1
            FROM staging.pull_requests AS pull_requests
            WHERE
                pull_requests.workspace = pushes.workspace
                AND pull_requests.repository_id = pushes.repository_id
                AND length(pull_requests.merge_commit) >= 7
                AND starts_with(pushes.new_hash, pull_requests.merge_commit)
        )
    FROM integration.pushes AS pushes
    LEFT JOIN staging.coverage AS listed
        ON
            pushes.workspace = listed.workspace
            AND pushes.repository_id = listed.repository_id
            AND listed.resource = 'pull_requests'
    WHERE
        pushes.workspace = in_workspace
        AND pushes.received_at >= since
        AND (only_subjects IS null OR pushes.repository_id = any(only_subjects))
$told_pushes$;
