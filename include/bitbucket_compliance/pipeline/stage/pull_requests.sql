-- Purpose: open and recently merged pull requests with the persons who approved. One counts as merged when it was first
-- read as merged: a comment that comes later moves its updated_on, and nothing else. Where its activity was looked up,
-- the merge itself counts.

WITH fetched AS (
    SELECT
        objects.workspace,
        objects.repository_id,
        objects.object_key,
        objects.body,
        (objects.body ->> 'id')::bigint AS pull_request_id,
        objects.body ->> 'state' AS state,
        objects.body #>> '{destination,branch,name}' AS destination_branch,
        (objects.body ->> 'created_on')::timestamptz AS created_on,
        (objects.body ->> 'updated_on')::timestamptz AS updated_on,
        coalesce(jsonb_typeof(objects.body -> 'participants') = 'array', false) AS says_who_took_part,
        objects.fetched_at AS data_as_of
    FROM landing.run_objects AS objects
    WHERE
        objects.workspace = %(workspace)s
        AND objects.resource = 'pull_requests'
        AND objects.run_id = %(run_id)s
),

looked_up AS (
    SELECT
        activity.object_key,
        min((entries.body #>> '{update,date}')::timestamptz) AS merged_on
    FROM landing.objects AS activity
    CROSS JOIN LATERAL jsonb_array_elements(activity.body -> 'values') AS entries (body)
    WHERE
        activity.workspace = %(workspace)s
        AND activity.resource = 'pull_request_activity'
        AND entries.body #>> '{update,state}' = 'MERGED'
    GROUP BY activity.object_key
),

dated AS (
    SELECT
        fetched.*,
        known.into_main_branch AS was_into_main_branch,
        CASE
            WHEN fetched.state = 'MERGED'
                THEN coalesce(looked_up.merged_on, known.merged_on, first_read.updated_on, fetched.updated_on)
        END AS merged_on,
        CASE
            WHEN fetched.state = 'MERGED'
                THEN coalesce(
                    looked_up.merged_on,
                    known.merged_after,
                    greatest(fetched.created_on, CASE WHEN known.state = 'OPEN' THEN known.data_as_of END)
                )
        END AS merged_after
    FROM fetched
    LEFT JOIN staging.pull_requests AS known
        ON
            fetched.workspace = known.workspace
            AND fetched.repository_id = known.repository_id
            AND fetched.pull_request_id = known.pull_request_id
    LEFT JOIN looked_up ON fetched.object_key = looked_up.object_key
    -- What an earlier run read that came to no end was never staged. One that was open since was not merged before; by
    -- the clocks of several workers that may leave nothing but what was read now.
    LEFT JOIN LATERAL (
        SELECT min((objects.body ->> 'updated_on')::timestamptz) AS updated_on
        FROM landing.objects AS objects
        WHERE
            known.merged_on IS null
            AND objects.workspace = fetched.workspace
            AND objects.resource = 'pull_requests'
            AND objects.object_key = fetched.object_key
            AND objects.body ->> 'state' = 'MERGED'
            AND (known.state IS DISTINCT FROM 'OPEN' OR objects.first_fetched_at >= known.data_as_of)
    ) AS first_read ON true
),

-- Of an app, which is nobody's peer, Bitbucket says that it is one; of whom it says nothing may be a person.
approving AS (
    SELECT
        fetched.object_key,
        entries.body #>> '{user,uuid}' AS uuid,
        entries.body #>> '{user,account_id}' AS account_id,
        coalesce(
            entries.body #>> '{user,type}' = 'user' AND entries.body #>> '{user,uuid}' IS NOT null, false
        ) AS are_known,
        row_number() OVER (
            PARTITION BY fetched.object_key, entries.body #>> '{user,uuid}' ORDER BY entries.place ASC
        ) AS place
    FROM fetched
    CROSS JOIN
        LATERAL jsonb_array_elements(
            CASE WHEN fetched.says_who_took_part THEN fetched.body -> 'participants' ELSE '[]' END
        ) WITH ORDINALITY AS entries (body, place)
    WHERE entries.body -> 'approved' = 'true' AND coalesce(entries.body #>> '{user,type}', 'user') = 'user'
),

approvals AS (
    SELECT
        approving.object_key,
        array_agg(approving.uuid ORDER BY approving.uuid, approving.account_id) FILTER (
            WHERE approving.are_known AND approving.place = 1
        ) AS approved_by,
        array_agg(approving.account_id ORDER BY approving.uuid, approving.account_id) FILTER (
            WHERE approving.are_known AND approving.place = 1
        ) AS accounts,
        count(*) FILTER (WHERE NOT approving.are_known) AS unknown
    FROM approving
    GROUP BY approving.object_key
),

main_branches AS MATERIALIZED (
    SELECT branches.*
    FROM staging.main_branches AS branches
    WHERE branches.workspace = %(workspace)s
),

-- Joined, not looked for row by row: that would read all branches for each pull request.
into_main_branch AS (
    SELECT DISTINCT dated.object_key
    FROM dated
    INNER JOIN main_branches
        ON
            dated.repository_id = main_branches.repository_id
            AND dated.destination_branch = main_branches.main_branch
            AND dated.merged_on >= main_branches.since
            AND (main_branches.until IS null OR dated.merged_on < main_branches.until)
)

SELECT
    dated.workspace,
    dated.repository_id,
    dated.pull_request_id,
    dated.state,
    dated.body #>> '{author,uuid}' AS author_id,
    dated.destination_branch,
    CASE WHEN dated.says_who_took_part THEN coalesce(approvals.approved_by, '{}') END AS approved_by,
    CASE WHEN dated.says_who_took_part THEN coalesce(approvals.accounts, '{}') END AS approved_by_accounts,
    coalesce(approvals.unknown, 0) AS unknown_approvals,
    CASE WHEN dated.state = 'MERGED' THEN dated.body #>> '{closed_by,uuid}' END AS merged_by,
    dated.body #>> '{merge_commit,hash}' AS merge_commit,
    dated.created_on,
    dated.updated_on,
    dated.merged_after,
    dated.merged_on,
    coalesce(dated.was_into_main_branch, false) OR into_main_branch.object_key IS NOT null AS into_main_branch,
    dated.data_as_of
FROM dated
LEFT JOIN approvals ON dated.object_key = approvals.object_key
LEFT JOIN into_main_branch ON dated.object_key = into_main_branch.object_key;
