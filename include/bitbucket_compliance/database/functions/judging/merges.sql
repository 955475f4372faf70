-- Purpose: each merge into the main branch in the window, and whether enough peers approved it. review: enough; none:
-- too few; undecided: it hangs on an approval of which nobody can tell whose it is; unread: who approved was not sent.
-- is_certain: it was merged in the window; else it may have been merged before, and was only commented on.

CREATE FUNCTION judging.merges(
    in_workspace text, only_subjects text[], window_start timestamptz, min_approvals integer, not_peers text[]
)
RETURNS TABLE (
    repository_id text, pull_request_id bigint, merged_after timestamptz, merged_on timestamptz,
    is_certain boolean, review text, approvals bigint
)
LANGUAGE sql STABLE
AS $merges$
    SELECT
        merged.repository_id,
        merged.pull_request_id,
        merged.merged_after,
        merged.merged_on,
        coalesce(merged.merged_after >= window_start, false),
        CASE
            WHEN merged.approved_by IS null THEN 'unread'
            WHEN peers.approvals >= min_approvals THEN 'enough'
            WHEN peers.approvals + merged.unknown_approvals >= min_approvals THEN 'undecided'
            ELSE 'none'
        END,
        peers.approvals
    FROM staging.merged_pull_requests AS merged
    CROSS JOIN
        LATERAL (
            SELECT count(*) AS approvals
            FROM unnest(merged.approved_by, merged.approved_by_accounts) AS given (approver, account)
            WHERE
                given.approver IS DISTINCT FROM merged.author_id
                AND lower(given.approver) <> all(not_peers)
                AND coalesce(lower(given.account) <> all(not_peers), true)
        ) AS peers
    WHERE
        merged.workspace = in_workspace
        AND merged.merged_on >= window_start
        AND (only_subjects IS null OR merged.repository_id = any(only_subjects))
$merges$;
