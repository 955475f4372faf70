-- Purpose: the merges into a repository's main branch in the window that went around a rule in force since then,
-- without enough peers' approvals, the newest first; null: none.

CREATE FUNCTION judging.bypassing_merges(
    in_workspace text, of_repository text, in_force_since timestamptz, window_start timestamptz,
    min_approvals integer, not_peers text[]
) RETURNS bigint[]
LANGUAGE sql STABLE
AS $bypassing_merges$
    -- Worked out once: in the place of an argument it would be asked for every approval.
    WITH nobodys_peers AS MATERIALIZED (
        SELECT judging.not_peers(in_workspace, not_peers) AS accounts
    )

    SELECT array_agg(merges.pull_request_id ORDER BY merges.merged_on DESC, merges.pull_request_id DESC)
    FROM nobodys_peers
    CROSS JOIN
        LATERAL judging.merges(
            in_workspace, ARRAY[of_repository], window_start, min_approvals, nobodys_peers.accounts
        ) AS merges
    WHERE merges.is_certain AND merges.review = 'none' AND merges.merged_on >= in_force_since
$bypassing_merges$;
