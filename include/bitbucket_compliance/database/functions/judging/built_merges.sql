-- Purpose: the newest merges into the main branch in the window, by repository: how many were sampled and which, those
-- without passing builds (null: none), when the last of them was, and when the last whose builds are not known was;
-- those of which it is not decided whether they count (null: none). One whose builds are still under way two days after
-- the merge at most is left out, and so is one that may have been merged before the window.

CREATE FUNCTION judging.built_merges(
    in_workspace text, only_subjects text[], window_start timestamptz, sample_size integer,
    min_builds integer, as_of timestamptz
)
RETURNS TABLE (
    repository_id text, merged bigint, numbers bigint[], broken bigint[],
    last_broken_at timestamptz, last_unknown_at timestamptz, undecided bigint[]
)
LANGUAGE sql STABLE
AS $built_merges$
    WITH known AS (
        SELECT
            merged.repository_id,
            merged.pull_request_id,
            merged.merged_on,
            coalesce(merged.merged_after >= window_start, false) AS is_certain,
            merged.builds IS null AS is_unknown,
            merged.builds < min_builds
            OR merged.builds_failed > 0
            OR (merged.builds_in_progress > 0 AND merged.merged_on <= as_of - interval '2 days') AS is_broken,
            merged.builds_in_progress > 0 AS is_under_way
        FROM staging.merged_pull_requests AS merged
        WHERE
            merged.workspace = in_workspace
            AND merged.merged_on >= window_start
            AND (only_subjects IS null OR merged.repository_id = any(only_subjects))
    ),

    ranked AS (
        SELECT
            known.*,
            -- of those that were merged in the window for certain: how many are as new
            count(*) FILTER (WHERE known.is_certain) OVER (
                PARTITION BY known.repository_id ORDER BY known.merged_on DESC, known.pull_request_id DESC
            ) AS recency
        FROM known
        WHERE known.is_unknown OR known.is_broken OR NOT known.is_under_way
    ),

    sampled AS (
        SELECT
            ranked.*,
            ranked.is_certain AND ranked.recency <= sample_size AS counts,
            NOT ranked.is_certain
            AND ranked.recency < sample_size
            AND (ranked.is_unknown OR ranked.is_broken) AS is_undecided
        FROM ranked
    )

    SELECT
        sampled.repository_id,
        count(*) FILTER (WHERE sampled.counts),
        array_agg(sampled.pull_request_id ORDER BY sampled.recency) FILTER (WHERE sampled.counts),
        array_agg(sampled.pull_request_id ORDER BY sampled.recency) FILTER (
            WHERE sampled.counts AND sampled.is_broken
        ),
        max(sampled.merged_on) FILTER (WHERE sampled.counts AND sampled.is_broken),
        max(sampled.merged_on) FILTER (WHERE sampled.counts AND sampled.is_unknown),
        array_agg(sampled.pull_request_id ORDER BY sampled.merged_on DESC, sampled.pull_request_id DESC) FILTER (
            WHERE sampled.is_undecided
        )
    FROM sampled
    GROUP BY sampled.repository_id
$built_merges$;
