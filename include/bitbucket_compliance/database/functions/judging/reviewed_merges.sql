-- Purpose: what was merged into the main branch in the window, by repository: how many merges, the newest hundred,
-- those without enough peers' approvals (null: none) and when the last of them was; those of which it is not decided
-- whether they count or whether they were approved (null: none); whether who approved was not sent of any of them.
-- One that may have been merged before the window is no part of a clean record.

CREATE FUNCTION judging.reviewed_merges(
    in_workspace text, only_subjects text[], window_start timestamptz, min_approvals integer, not_peers text[]
)
RETURNS TABLE (
    repository_id text, merged bigint, numbers bigint[], broken bigint[], last_broken_at timestamptz,
    undecided bigint[], participants_missing boolean
)
LANGUAGE sql STABLE
AS $reviewed_merges$
    -- Worked out once: in the place of an argument it would be asked for every approval.
    WITH nobodys_peers AS MATERIALIZED (
        SELECT judging.not_peers(in_workspace, not_peers) AS accounts
    ),

    judged AS (
        SELECT
            merges.*,
            merges.is_certain AND merges.review = 'none' AS is_broken,
            merges.is_certain AND merges.review IN ('enough', 'none') AS counts,
            merges.review = 'undecided' OR (NOT merges.is_certain AND merges.review = 'none') AS is_undecided
        FROM nobodys_peers
        CROSS JOIN
            LATERAL judging.merges(
                in_workspace, only_subjects, window_start, min_approvals, nobodys_peers.accounts
            ) AS merges
    )

    SELECT
        judged.repository_id,
        count(*) FILTER (WHERE judged.counts),
        (
            array_agg(judged.pull_request_id ORDER BY judged.merged_on DESC, judged.pull_request_id DESC)
            FILTER (WHERE judged.counts)
        )[1:100],
        array_agg(judged.pull_request_id ORDER BY judged.merged_on DESC, judged.pull_request_id DESC) FILTER (
            WHERE judged.is_broken
        ),
        max(judged.merged_on) FILTER (WHERE judged.is_broken),
        array_agg(judged.pull_request_id ORDER BY judged.merged_on DESC, judged.pull_request_id DESC) FILTER (
            WHERE judged.is_undecided
        ),
        bool_or(judged.review = 'unread')
    FROM judged
    GROUP BY judged.repository_id
$reviewed_merges$;
