-- Purpose: what was merged into the main branch in the window, by repository: how many merges, the newest hundred,
-- those without a peer's approval (null: none) and when the last of them was.

CREATE FUNCTION judging.reviewed_merges(in_workspace text, only_subjects text[], window_start timestamptz)
RETURNS TABLE (repository_id text, merged bigint, numbers bigint[], broken bigint[], last_broken_at timestamptz)
LANGUAGE sql STABLE
AS $reviewed_merges$
    SELECT
        merged.repository_id,
        count(*),
        (array_agg(merged.pull_request_id ORDER BY merged.updated_on DESC, merged.pull_request_id DESC))[1:100],
        array_agg(merged.pull_request_id ORDER BY merged.updated_on DESC, merged.pull_request_id DESC) FILTER (
            WHERE NOT merged.has_peer_approval
        ),
        max(merged.updated_on) FILTER (WHERE NOT merged.has_peer_approval)
    FROM staging.merged_pull_requests AS merged
    WHERE
        merged.workspace = in_workspace
        AND merged.updated_on >= window_start
        AND (only_subjects IS null OR merged.repository_id = any(only_subjects))
    GROUP BY merged.repository_id
$reviewed_merges$;
