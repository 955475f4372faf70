-- Purpose: the newest merges into the main branch in the window, by repository: how many were sampled and which, those
-- without passing builds (null: none), when the last of them was, and when the last whose builds are not known was.

CREATE FUNCTION judging.built_merges(
    in_workspace text, only_subjects text[], window_start timestamptz, sample_size integer
)
RETURNS TABLE (
    repository_id text, merged bigint, numbers bigint[], broken bigint[],
    last_broken_at timestamptz, last_unknown_at timestamptz
)
LANGUAGE sql STABLE
AS $built_merges$
    WITH sampled AS (
        SELECT
            merged.repository_id,
            merged.pull_request_id,
            merged.updated_on,
            merged.builds IS null AS is_unknown,
            merged.builds = 0 OR merged.builds_not_successful > 0 AS is_broken,
            row_number() OVER (
                PARTITION BY merged.repository_id ORDER BY merged.updated_on DESC, merged.pull_request_id DESC
            ) AS recency
        FROM staging.merged_pull_requests AS merged
        WHERE
            merged.workspace = in_workspace
            AND merged.updated_on >= window_start
            AND (only_subjects IS null OR merged.repository_id = any(only_subjects))
    )

    SELECT
        sampled.repository_id,
        count(*),
        array_agg(sampled.pull_request_id ORDER BY sampled.recency),
        array_agg(sampled.pull_request_id ORDER BY sampled.recency) FILTER (WHERE sampled.is_broken),
        max(sampled.updated_on) FILTER (WHERE sampled.is_broken),
        max(sampled.updated_on) FILTER (WHERE sampled.is_unknown)
    FROM sampled
    WHERE sampled.recency <= sample_size
    GROUP BY sampled.repository_id
$built_merges$;
